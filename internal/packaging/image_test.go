package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheImageHoldsNothingButTheBinary(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	require.Len(t, stages, 2, "one stage to build, one to ship")
	build, ship := stages[0], stages[1]
	require.Contains(t, build["RUN"], "CGO_ENABLED=0 go build -trimpath")

	require.Regexp(t, `^gcr\.io/distroless/static-[a-z0-9]+:nonroot$`, ship["FROM"])
	require.Equal(t, "--from=build /out/orderflow /orderflow", ship["COPY"])
	require.Empty(t, ship["RUN"])
	require.Empty(t, ship["ADD"])
	require.Regexp(t, `^[1-9][0-9]*:[1-9][0-9]*$`, ship["USER"], "a number that is not root's")
	require.Equal(t, `["/orderflow"]`, ship["ENTRYPOINT"])
	require.Contains(t, ship["HEALTHCHECK"], `CMD ["/orderflow", "healthcheck", "--url", "http://127.0.0.1:8080/readyz"]`)
	require.Equal(t, ship["USER"], compose(t).Services["api"].User)
}

func TestTheImageIsBuiltWithTheModulesGo(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	require.NotNil(t, version)
	require.Contains(t, dockerfile(t)[0]["FROM"], "golang:"+version[1]+"-")
}

func TestNoSecretReachesTheImage(t *testing.T) {
	t.Parallel()
	ignored := strings.Fields(read(t, ".dockerignore"))
	for _, name := range []string{".git", ".env", "*.env", ".orderflow", "orderflow.yaml"} {
		require.Contains(t, ignored, name)
	}
}

// dockerfile is the stages of the Dockerfile: the text behind each instruction,
// joined when one comes several times.
func dockerfile(t *testing.T) (stages []map[string]string) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if instruction == "" || strings.HasPrefix(instruction, "#") {
			continue
		}
		if instruction == "FROM" {
			stages = append(stages, map[string]string{})
		}
		require.NotEmpty(t, stages, "%s comes before FROM", instruction)
		stage := stages[len(stages)-1]
		stage[instruction] = strings.Join(strings.Fields(stage[instruction]+" "+rest), " ")
	}
	return stages
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	require.NoError(t, err)
	return string(b)
}
