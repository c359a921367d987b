#!/usr/bin/env bash
# Tries the containers for real: builds them, waits until they're healthy, ingests a folder of
# drawn pictures, searches by picture and by tag, restarts, and searches again.
#
#   scripts/try_containers.sh                          compose 2 where there is one, else 1.29
#   COMPOSE=docker-compose scripts/try_containers.sh   the one that is named
#
# Needs a container engine, curl and what `make install` installs. Removes all that it made but the
# images.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${COMPOSE-}" ]; then
  if docker compose version >/dev/null 2>&1; then COMPOSE="docker compose"; else COMPOSE=docker-compose; fi
fi
read -ra compose_command <<<"$COMPOSE"
compose() { "${compose_command[@]}" "$@"; }
compose version

pictures=$(mktemp -d)
chmod 755 "$pictures"
.venv/bin/python -m demo.sample "$pictures" --count 120 >/dev/null
chmod -R a+rX "$pictures"
export ISE_PICTURES=$pictures COMPOSE_PROJECT_NAME=ise-trial
export ISE_QUERY_PORT=18000 ISE_INDEXER_PORT=18001 ISE_EMBEDDER_PORT=18002
query=http://127.0.0.1:$ISE_QUERY_PORT indexer=http://127.0.0.1:$ISE_INDEXER_PORT

clean_up() {
  compose down --volumes --timeout 10 >/dev/null 2>&1 || true
  rm -rf "$pictures"
}
trap clean_up EXIT

all_healthy() {
  for name in query indexer embedder; do
    id=$(compose ps -q "$name")
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$id")" = healthy ] || return 1
  done
}
wait_healthy() {
  for _ in $(seq 120); do
    if all_healthy; then return; fi
    sleep 1
  done
  compose ps
  compose logs --tail 20
  echo "the services are not healthy after two minutes" >&2
  exit 1
}
# What must be the same after a restart: hits of an upload and of a tag.
answers() {
  curl -sSf -F "file=@$pictures/castle-01.jpg" -F limit=5 "$query/v1/search/image" |
    python3 -c 'import json, sys; print([(h["id"], h["uri"]) for h in json.load(sys.stdin)["hits"]])'
  curl -sSf "$query/v1/search?term=castle&limit=5" |
    python3 -c 'import json, sys; a = json.load(sys.stdin); print(a["mode"], [h["id"] for h in a["hits"]])'
}

started=$SECONDS
compose up --build --detach
wait_healthy
echo "healthy after $((SECONDS - started)) s"

job=$(curl -sSf -H 'Content-Type: application/json' -d '{"source": "/pictures/manifest.csv"}' \
  "$indexer/v1/ingest" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
state=queued
while [ "$state" = queued ] || [ "$state" = running ]; do
  sleep 1
  state=$(curl -sSf "$indexer/v1/jobs/$job" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])')
done
[ "$state" = succeeded ] || { curl -sS "$indexer/v1/jobs/$job"; exit 1; }

before=$(answers)
echo "$before"
[[ $before =~ ^\[\(\'[0-9a-f]+\',\ \'castle-01.jpg\'\) ]] || { echo "not its own first hit"; exit 1; }
grep -q '^tag ' <<<"$before" || { echo "the tag search is not one"; exit 1; }

compose restart --timeout 20
wait_healthy
[ "$(answers)" = "$before" ] || { echo "a restart changed the answers"; exit 1; }
echo "a restart keeps everything"

if compose exec -T query sh -c 'touch /data/x' 2>/dev/null; then
  echo "query can write to the data volume"; exit 1
fi
for name in query indexer embedder; do
  if compose exec -T "$name" sh -c 'touch /tmp/x && touch /app/x' 2>/dev/null; then
    echo "$name can write to its root file system"; exit 1
  fi
  if ! compose exec -T "$name" sh -c '[ "$(id -u)" = 10001 ] &&
      grep -q "^CapEff:.0*$" /proc/self/status && grep -q "^NoNewPrivs:.1$" /proc/self/status'; then
    echo "$name has rights that it needn't"; exit 1
  fi
  docker image inspect --format "{{index .RepoTags 0}} {{.Size}}" "image-search-engine/$name"
done
