#!/bin/sh
# curl --retry 3, one operation a process; --fail-with-body makes an error of an error status.
url="$GALEPROOF_BASE_URL/payments/$GALEPROOF_REF"
set -- --silent --show-error --fail-with-body --retry 3 -H "Authorization: Bearer $GALEPROOF_SECRET_API_KEY"
if [ "$GALEPROOF_OPERATION" = create ]; then
  set -- "$@" -H 'Content-Type: application/json' -d "{\"amount\": $GALEPROOF_AMOUNT}"
fi
exec curl "$@" "$url"
