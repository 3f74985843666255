#!/usr/bin/env bash
# tonnage through nginx with TLS, where a connection ends after 100 requests (keepalive_requests). nginx logs every
# request, so what was sent is counted there, too.
. "$(dirname "$0")/common.sh"
debian nginx nginx-light
debian openssl openssl
simulated --sim 8b-h100
at=127.0.0.1:$(port)
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$place/key.pem" -out "$place/cert.pem" 2>/dev/null
cat >"$place/nginx.conf" <<CONF
daemon off;
error_log $place/error.log;
pid $place/nginx.pid;
events {}
http {
    log_format one '\$request_method \$status \$connection_requests';
    access_log $place/access.log one;
    client_body_temp_path $place/body; proxy_temp_path $place/proxy; fastcgi_temp_path $place/f;
    uwsgi_temp_path $place/u; scgi_temp_path $place/s;
    upstream engine { server $engine; keepalive 64; }
    server {
        listen $at ssl;
        ssl_certificate $place/cert.pem;
        ssl_certificate_key $place/key.pem;
        keepalive_requests 100;
        location / {
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }
    }
}
CONF
begin nginx nginx -c "$place/nginx.conf"
until_answers 10 "https://$at/v1/models"
status=0
python3 "$here/loads.py" --name "nginx $(nginx -v 2>&1 | sed 's|.*/||'), TLS, keepalive_requests 100" \
    --target "https://$at" --metrics "http://$engine/metrics" --rate 40 --json "$place/found.json" -- \
    --ca-cert "$place/cert.pem" || status=1
python3 - "$place" <<'PY' || status=1
import json, sys
place = sys.argv[1]
found = json.load(open(f"{place}/found.json"))
lines = [line.split() for line in open(f"{place}/access.log")]
posts = [line for line in lines if line[0] == "POST"]
sent = sum(load["sent"] + load["preflight"] + load["retried"] for load in found)
last = sum(line[2] == "100" for line in posts)
print(f"\nPOST in nginx's log: {len(posts)}; sent by tonnage, with its preflights and retries: {sent};"
      f" connections that nginx ended after 100 requests: {last}; retried: {sum(load['retried'] for load in found)};"
      f" other statuses than 200: {sum(line[1] != '200' for line in posts)}")
sys.exit(len(posts) != sent)
PY
exit $status
