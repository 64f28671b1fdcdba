# Postgres 17 with PgBouncer, Redis 8 and Valkey 8, from Debian 13. `cargo xtask test --docker`
# compiles tests outside and runs them in this image.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        postgresql pgbouncer redis-server redis-tools valkey-server valkey-tools \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /valkey \
    && for program in server cli check-aof; do \
        ln -s "$(command -v valkey-$program)" /valkey/redis-$program; \
    done
