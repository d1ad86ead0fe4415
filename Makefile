# What is checked, and how, is in .ci/run; these are its names at a keyboard.

.PHONY: check build test race vet lint tidy fuzz soak benchmarks baseline bench-compare bench-growth bench-plot clean

ROUNDS ?= 5
WINDOW ?= 8s
WARM ?= 2s
CLIENTS ?= 512

check: ## everything, exactly as CI runs it
	.ci/run

build: ## bin/orderflow, as it is released
	CGO_ENABLED=0 go build -trimpath -o bin/orderflow .

test: ## all tests, on servers that the tests bring along
	go test ./...

race: ## all tests on real servers, with the race detector
	.ci/run servers

bench-compare: build ## Orderflow beside the baselines, in turns; see bench/README.md
	cd bench && CGO_ENABLED=0 go build -trimpath -o ../bin/ ./baseline/bare ./baseline/river
	bin/orderflow bench compare --bare bin/bare --river bin/river --rounds $(ROUNDS) --window $(WINDOW) --warm $(WARM) --clients $(CLIENTS) --out bin/bench.json

SIZES ?= 0,1000000,10000000
CLOSES ?= 0,100000,1000000

bench-growth: build ## Orderflow on a database that grows, beside an empty one; ten million orders take 50 GB
	bin/orderflow bench growth --sizes $(SIZES) --closes $(CLOSES) --rounds $(ROUNDS) --window $(WINDOW) --warm $(WARM) --clients $(CLIENTS) --out bin/growth.json

bench-plot: ## a picture of the last bench-compare, for docs/benchmarks.md
	cd bench && go run ./plot ../bin/bench.json ../docs/benchmarks.svg

vet lint tidy fuzz benchmarks baseline: ## one step of the checks; fuzz gives every fuzz test ten seconds
	.ci/run $@

soak: ## a hundred thousand random histories, or HISTORIES of them, from SEED if it is set
	HISTORIES=$${HISTORIES:-100000} .ci/run histories

clean: ## what was built; data under .orderflow stay
	rm -rf bin dist
