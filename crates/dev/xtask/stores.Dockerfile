# The stores of the next Debian: Postgres 17 with PgBouncer, Redis 8 and Valkey 8, for the tests of
# `cargo xtask test --docker` that were compiled outside and run in here.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql pgbouncer redis-server redis-tools valkey-server valkey-tools \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /valkey \
    && for program in server cli check-aof; do ln -s "$(command -v valkey-$program)" /valkey/redis-$program; done
