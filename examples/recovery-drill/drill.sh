#!/bin/sh
# Restores a replica aside and asks it a question; ends with 0 only if everything is as it should be.
#
#     DRILL_QUERY="SELECT count(*) FROM orders" DRILL_AT_LEAST=1000 sh drill.sh s3://my-bucket/app
#
# DRILL_QUERY has one number as its answer: a count, or the newest row's time in seconds. DRILL_AT_LEAST is the least that
# is believed. Needs litestream and sqlite3. The restored database is deleted again.
set -eu

replica=${1:?the replica, a folder or a URL}
query=${DRILL_QUERY:-SELECT count(*) FROM sqlite_schema}
least=${DRILL_AT_LEAST:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

litestream verify "$replica"
begun=$(date +%s)
litestream restore -integrity-check full -o "$work/restored.db" "$replica"
ended=$(date +%s)
# Everything was restored already: a database that is read only needs no WAL.
answer=$(sqlite3 "file:$work/restored.db?mode=ro&immutable=1" "$query")
echo "restored in $((ended - begun)) s; $query gives $answer, at least $least is right"
[ "$answer" -ge "$least" ]
