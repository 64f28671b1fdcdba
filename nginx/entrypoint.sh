#!/bin/sh
# Runs nginx as the edge, and keeps the addresses of its upstreams right: each second the names are asked for again,
# and nginx reads its configuration anew when it has become another one. So nginx starts although a name is not known
# yet, finds a container that was made again, and spreads requests over all replicas behind one name.
#
# The names are asked for where every program asks: Docker's DNS and the links in /etc/hosts both answer there, and
# no nginx is needed that can do it by itself.
set -eu

: "${API:=api:5000}"                # where the api is, host:port
: "${CLIENT:=client:3000}"          # where the page is, host:port
: "${REQUEST_RATE:=100r/s}"         # how many requests one address may send …
: "${REQUEST_BURST:=500}"           # … and how many it may be ahead of that
: "${REQUEST_CONNECTIONS:=100}"     # requests of one address that may be under way at once
: "${SCRIPT_SRC:=}"                 # what the page's scripts may come from besides itself; for development
: "${RUN_DIR:=/tmp}"                # what nginx writes
export LISTEN=80 REQUEST_RATE REQUEST_BURST REQUEST_CONNECTIONS SCRIPT_SRC RUN_DIR
config=$RUN_DIR/nginx.conf

# servers HOST:PORT: one line for each address of the name; a name without one is down, and nginx says so at once. One
# that could not be reached is asked again by the next request: two that restart one after the other would be counted out
# together, and requests would fail although one of them is there.
servers() {
    lines=$(getent ahostsv4 "${1%:*}" | sed -n "s/^\([0-9.]*\) .*/server \1:${1##*:} max_fails=0;/p" | sort -u)
    printf '%s\n' "${lines:-server 127.0.0.1:${1##*:} down;}"
}

render() {
    API_SERVERS=$(servers "$API") CLIENT_SERVERS=$(servers "$CLIENT") \
        envsubst '$LISTEN $API_SERVERS $CLIENT_SERVERS $REQUEST_RATE $REQUEST_BURST $REQUEST_CONNECTIONS $SCRIPT_SRC $RUN_DIR' \
        < /etc/edge/nginx.conf.template > "$1"
}

render "$config"
nginx -c "$config" -g 'daemon off;' &
nginx=$!
trap 'kill -s QUIT "$nginx" 2> /dev/null || true' INT TERM QUIT

while kill -0 "$nginx" 2> /dev/null; do
    render "$config.new"
    if ! cmp -s "$config.new" "$config"; then
        # One that nginx refuses is said in its log, and it goes on with the one it has.
        mv "$config.new" "$config"
        kill -s HUP "$nginx"
    fi
    # A signal ends the wait at once; a sleep in the foreground would hold it back.
    sleep 1 &
    wait $! || true
done
wait "$nginx"
