# The two commands of the README are `make demo` and `make test`; each does all of its own set-up.
.PHONY: demo test test-clients lint bench bench-overhead bench-search bench-early-stopping bench-several-algorithms bench-warm-start bench-server bench-agent bench-serving chaos chaos-serving soak-serving bad-payloads attack simulation clean help

PY := .venv/bin/python
# Processes start by the thousand here; without bytecode each would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 24

demo:            ## tune a real model on real data and watch it
	@tools/environment.sh demo
	@.venv/bin/pegbox demo

test:            ## everything that is not a benchmark
	@tools/environment.sh dev
	@tools/system_packages.sh
	@$(PY) tools/run_tests.py

test-clients:    ## unmodified AWS SDKs (1.72.1, 2.257.7) and the AWS CLI against a real server
	@tools/environment.sh dev
	@tools/client_environments.sh
	@$(PY) -m pytest tests/clients

lint:            ## formatting, lint, types, import contracts
	@tools/environment.sh dev
	@.venv/bin/ruff format --check src tests benchmarks examples tools
	@.venv/bin/ruff check src tests benchmarks examples tools
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: bench-server bench-agent bench-overhead bench-search bench-early-stopping bench-several-algorithms bench-warm-start  ## all benchmarks

bench-overhead:  ## trials per second beside a bare subprocess loop
	@tools/environment.sh dev
	@$(PY) benchmarks/overhead.py

bench-server:    ## start, memory and idle cost of the server, import and command times
	@tools/environment.sh dev
	@$(PY) benchmarks/server_figures.py

bench-agent:     ## cold start and warm hand-over of an agent, as multiples of a bare interpreter
	@tools/environment.sh dev
	@$(PY) benchmarks/agent_start.py

bench-serving:   ## requests per second of an endpoint beside an inline call, MLflow, BentoML and TorchServe (ARGS="--model forest")
	@tools/environment.sh dev
	@tools/load_generator.sh
	@$(PY) benchmarks/serving.py $(ARGS)

bench-search:    ## the search beside its peers (ARGS="--long" for more)
	@tools/environment.sh dev,bench
	@$(PY) benchmarks/search/compare.py $(ARGS)

bench-early-stopping:  ## epochs saved and regret of early stopping beside its peers
	@tools/environment.sh dev,bench
	@OMP_NUM_THREADS=1 $(PY) benchmarks/early_stopping.py --output benchmarks/early_stopping.md

bench-several-algorithms:  ## the budget shared out among algorithms beside equal shares
	@tools/environment.sh dev
	@$(PY) benchmarks/several_algorithms.py --output benchmarks/several_algorithms.md

bench-warm-start:  ## what parents save, and what bad parents cost, on recorded families of tasks
	@tools/environment.sh dev,bench
	@OPENBLAS_NUM_THREADS=1 $(PY) benchmarks/warm_start.py --output benchmarks/warm_start.md $(ARGS)

chaos:           ## kill -9 of the server during tuning, 200 cycles (CYCLES=n VICTIMS=server,agent,suggester); 10,000 seeds of the simulation
	@tools/environment.sh dev
	@$(PY) -m pegbox.testing.chaos --cycles $${CYCLES:-200} --victims $${VICTIMS:-server}
	@$(PY) -m pegbox.testing.simulation --seeds $${SEEDS:-10000}

chaos-serving:   ## kill -9 of model servers, agents and the server under load, 100 times (CYCLES=n VICTIMS=server,model,agent,gateway)
	@tools/environment.sh dev
	@$(PY) -m pegbox.testing.chaos_serving --cycles $${CYCLES:-100} --victims $${VICTIMS:-server,model,agent}

soak-serving:    ## 10 minutes at half of the peak rate: memory of each process (MINUTES=n)
	@tools/environment.sh dev
	@tools/load_generator.sh
	@$(PY) -m pegbox.testing.soak_serving --minutes $${MINUTES:-10}

bad-payloads:    ## 10,000 bad payloads to an endpoint: only 4xx, no hang, no crash (COUNT=n)
	@tools/environment.sh dev
	@$(PY) -m pegbox.testing.bad_payloads --count $${COUNT:-10000}

simulation:      ## the deterministic simulation with 1,000 seeds
	@tools/environment.sh dev
	@$(PY) -m pegbox.testing.simulation --seeds $${SEEDS:-1000}

attack:          ## 100,000 forged signatures and 100,000 fuzzed calls against a real server
	@tools/environment.sh dev
	@$(PY) -m pegbox.testing.attack

clean:           ## remove the environment and caches
	rm -rf .venv .venv-clients .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
