#!/bin/sh
# Run by the postgres image when it makes its cluster (compose.yaml mounts this folder as /docker-entrypoint-initdb.d).
set -eu
OWNER_PASSWORD=$(cat /run/secrets/owner-password)
APP_PASSWORD=$(cat /run/secrets/app-password)
export OWNER_PASSWORD APP_PASSWORD
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --file=/ops/postgres/roles.sql postgres
