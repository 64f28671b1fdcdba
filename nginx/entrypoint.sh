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
: "${REQUEST_RATE:=100r/s}"         # requests of one client (IPv4 address or IPv6 /64) …
: "${REQUEST_BURST:=500}"           # … and how many beyond that rate
: "${REQUEST_CONNECTIONS:=100}"     # requests of one client in progress
: "${TRUSTED_PROXIES:=}"            # networks whose X-Forwarded-For is trusted, e.g. 10.0.0.0/8
: "${SCRIPT_SRC:=}"                 # sources of scripts besides the page itself; for development
export REQUEST_RATE REQUEST_BURST REQUEST_CONNECTIONS SCRIPT_SRC

# servers HOST:PORT: a "server" line for each address. After a failed lookup, the last addresses are
# used again (kept in servers.HOST); before the first success, a server that is down, so that nginx
# answers 502 at once. max_fails=0: a failed server is tried again by the next request. Otherwise
# two that restart one after the other are both out for ten seconds.
servers() {
    found=$(getent ahostsv4 "${1%:*}" | sed -n "s/^\([0-9.]*\) .*/server \1:${1##*:} max_fails=0;/p" | sort -u)
    if [ -n "$found" ]; then printf '%s\n' "$found" > "servers.${1%:*}"; fi
    cat "servers.${1%:*}" 2> /dev/null || echo "server 127.0.0.1:${1##*:} down;"
}

# real_ip_from NETWORK...: a set_real_ip_from line for each network.
real_ip_from() {
    for network; do echo "set_real_ip_from $network;"; done
}

# render FILE: all templates with their variables replaced. nginx has variables of its own, hence
# the list.
render() {
    export API_SERVERS="$(servers "$API")" CLIENT_SERVERS="$(servers "$CLIENT")"
    # Several networks are several words.
    export REAL_IP_FROM="$(real_ip_from $TRUSTED_PROXIES)"
    cat /etc/nginx/templates/*.template | envsubst \
        '$API_SERVERS $CLIENT_SERVERS $REAL_IP_FROM $REQUEST_RATE $REQUEST_BURST $REQUEST_CONNECTIONS $SCRIPT_SRC' > "$1"
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
