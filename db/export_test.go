package db

// PartsOfAttempts is the hot path's query for attempts.
func PartsOfAttempts() string { return parts(attemptColumns, "attempts") }
