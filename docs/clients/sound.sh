#!/bin/sh
# A client of shell and curl, sound: three attempts, full jitter, Retry-After, a deadline, the secret in no argument.
umask 077
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
printf 'header = "Authorization: Bearer %s"\nheader = "X-Request-Id: %s"\n' "$GALEPROOF_SECRET_API_KEY" "$GALEPROOF_REF" >"$work/config"
url=$GALEPROOF_BASE_URL/payments/$GALEPROOF_REF
end=$(($(date +%s) + 6)) attempt=1
while :; do
  status=$(curl -s -K "$work/config" -D "$work/head" -o "$work/body" -w '%{http_code}' --max-time 1 "$url") || status=000
  case $status in
    2??) cat "$work/body"; exit 0 ;;
    000 | 429 | 502 | 503 | 504) ;;
    *) echo "answered $status" >&2; exit 1 ;;
  esac
  after=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\)\r*$/\1/p' "$work/head" 2>/dev/null | tail -n 1)
  wait=$(awk -v n="$attempt" -v s="$(od -An -N4 -tu4 /dev/urandom)" -v a="${after:-0}" \
    'BEGIN { srand(s); w = 0.2 * 2 ^ (n - 1); if (w > 2) w = 2; w *= rand(); if (a > w) w = a; print w }')
  if [ "$attempt" -ge 3 ] || awk -v w="$wait" -v left=$((end - $(date +%s))) 'BEGIN { exit !(w > 5 || w > left) }'; then
    echo "no answer after $attempt attempts, the last $status" >&2
    exit 1
  fi
  sleep "$wait"
  attempt=$((attempt + 1))
  : >"$work/head"
done
