#!/bin/sh
# Runs nginx as the edge. Every second it resolves the host names of the upstreams again, and nginx
# reloads when an address has changed. So the edge can start before its upstreams, it finds a
# container that was created again, and it spreads requests over all replicas behind one name.
#
# nginx alone cannot do this. It resolves the names in its configuration once, and does not start
# when that fails. Its `resolver` directive asks DNS only; but where containers are linked (Elastic
# Beanstalk), their names are in /etc/hosts and nowhere else. getent reads both.
set -eu

: "${API:=api:5000}"                # upstreams, host:port
: "${CLIENT:=client:3000}"
: "${REQUEST_RATE:=100r/s}"         # requests of one client (IPv4 address or IPv6 /64) …
: "${REQUEST_BURST:=500}"           # … and how many beyond that rate
: "${REQUEST_CONNECTIONS:=100}"     # requests of one client in progress
: "${TRUSTED_PROXIES:=}"            # networks whose X-Forwarded-For is trusted, e.g. 10.0.0.0/8
: "${HTTPS_ONLY:=}"                 # true: redirect HTTP of a load balancer to HTTPS, send HSTS
: "${SCRIPT_SRC:=}"                 # sources of scripts besides the page itself; for development
export REQUEST_RATE REQUEST_BURST REQUEST_CONNECTIONS HTTPS_ONLY SCRIPT_SRC

# nginx would respond with 502 to everything, without a line in the log.
for upstream in "API is \"$API\"" "CLIENT is \"$CLIENT\""; do
    echo "$upstream" | grep -qxE '[A-Z]+ is "[[:alnum:]._-]+:[0-9]+"' && continue
    echo "configuration: $upstream: a host and a port are needed, such as api:5000" >&2
    exit 2
done
case $HTTPS_ONLY in
    '' | true | false) ;;
    *) echo "configuration: HTTPS_ONLY is \"$HTTPS_ONLY\": true or false is needed" >&2; exit 2 ;;
esac

# servers HOST:PORT prints a "server" line for each address of HOST, and keeps the lines in the file
# servers.HOST. After a failed lookup it prints the lines of the last successful one. Before the
# first success it prints a server that is marked as down, so that nginx responds with 502 at once.
#
# max_fails=0: the next request tries a server again that has just failed. By default nginx skips
# such a server for 10 s; while two replicas restart one after the other, it would skip both.
servers() {
    found=$(getent ahostsv4 "${1%:*}" \
        | sed -n "s/^\([0-9.]*\) .*/server \1:${1##*:} max_fails=0;/p" \
        | sort -u)
    if [ -n "$found" ]; then printf '%s\n' "$found" > "servers.${1%:*}"; fi
    cat "servers.${1%:*}" 2> /dev/null || echo "server 127.0.0.1:${1##*:} down;"
}

# real_ip_from NETWORK... prints a set_real_ip_from line for each network.
real_ip_from() {
    for network; do echo "set_real_ip_from $network;"; done
}

# render FILE writes all templates to FILE, with their variables replaced. envsubst gets a list of
# them, because the templates contain variables of nginx too.
render() {
    export API_SERVERS="$(servers "$API")" CLIENT_SERVERS="$(servers "$CLIENT")"
    # Not quoted: each network is an argument.
    export REAL_IP_FROM="$(real_ip_from $TRUSTED_PROXIES)"
    variables='$API_SERVERS $CLIENT_SERVERS $REAL_IP_FROM $REQUEST_RATE $REQUEST_BURST'
    variables="$variables "'$REQUEST_CONNECTIONS $HTTPS_ONLY $SCRIPT_SRC'
    cat /etc/nginx/templates/*.template | envsubst "$variables" > "$1"
}

cd /etc/nginx/conf.d
render default.conf
while sleep 1; do
    render new || continue
    if ! cmp -s new default.conf; then
        mv new default.conf
        # HUP makes nginx reload. If the new configuration is wrong, nginx logs that and keeps the
        # old one.
        kill -s HUP $$
    fi
done &
exec nginx -p /tmp -g 'daemon off;'
