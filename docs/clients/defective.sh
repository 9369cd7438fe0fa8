#!/bin/sh
# A client of shell and curl as many are: no jitter, no deadline, the secret in what it says when it fails.
curl -sS --fail --retry 7 --retry-delay 1 -H "Authorization: Bearer $GALEPROOF_SECRET_API_KEY" \
  -H "X-Request-Id: $GALEPROOF_REF" "$GALEPROOF_BASE_URL/payments/$GALEPROOF_REF" && exit 0
echo "failed with $GALEPROOF_SECRET_API_KEY" >&2
exit 1
