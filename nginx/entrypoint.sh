#!/bin/sh
# Runs nginx as the edge, and resolves the names of its upstreams again every second: when an
# address has changed, nginx reloads. So the edge starts before its upstreams do, finds a container
# that was created again, and spreads requests over all replicas behind one name.
#
# nginx alone does not: it resolves a name in its configuration once, and does not start when that
# fails. Its `resolver` asks DNS only, but where containers are linked (Elastic Beanstalk), their
# names are in /etc/hosts and nowhere else; getent reads both.
set -eu

: "${API:=api:5000}"                # upstreams, host:port
: "${CLIENT:=client:3000}"
: "${REQUEST_RATE:=100r/s}"         # requests that one address may send …
: "${REQUEST_BURST:=500}"           # … and how many beyond that rate
: "${REQUEST_CONNECTIONS:=100}"     # requests of one address in progress
: "${SCRIPT_SRC:=}"                 # sources of scripts besides the page itself; for development
export REQUEST_RATE REQUEST_BURST REQUEST_CONNECTIONS SCRIPT_SRC

# servers HOST:PORT: a "server" line for each address; one that is down when there is none, so that
# nginx answers 502 at once. max_fails=0: a failed server is tried again by the next request.
# Otherwise two that restart one after the other are both out for ten seconds.
servers() {
    lines=$(getent ahostsv4 "${1%:*}" | sed -n "s/^\([0-9.]*\) .*/server \1:${1##*:} max_fails=0;/p" | sort -u)
    printf '%s\n' "${lines:-server 127.0.0.1:${1##*:} down;}"
}

# render FILE: all templates with their variables replaced. nginx has variables of its own, hence
# the list.
render() {
    export API_SERVERS="$(servers "$API")" CLIENT_SERVERS="$(servers "$CLIENT")"
    cat /etc/nginx/templates/*.template | envsubst \
        '$API_SERVERS $CLIENT_SERVERS $REQUEST_RATE $REQUEST_BURST $REQUEST_CONNECTIONS $SCRIPT_SRC' > "$1"
}

cd /etc/nginx/conf.d
render default.conf
while sleep 1; do
    render new || continue
    if ! cmp -s new default.conf; then
        mv new default.conf
        # A configuration that nginx rejects is in its log, and the old one stays in use.
        kill -s HUP $$
    fi
done &
exec nginx -p /tmp -g 'daemon off;'
