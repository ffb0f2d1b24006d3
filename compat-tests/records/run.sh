#!/usr/bin/env bash
# Compares record batches with Apache Kafka's classes, both ways. Usage: run.sh [RUNS] [SEED]
# Needs: a JDK 17, Maven, and build/release/bin/record_compare (or RECORD_COMPARE).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work="$root/build/compat/records"
compare=${RECORD_COMPARE:-$root/build/release/bin/record_compare}
runs=${1:-600}
seed=${2:-1}

# The jars and the class compiled for them; the record classes moved to a package of their own in 4.3.
prepare() {
  local version=$1 into="$work/$1"
  if [ ! -f "$into/libs/.complete" ]; then
    mvn -q -B -f "$here/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$into/libs"
    touch "$into/libs/.complete"
  fi
  if [ ! -f "$into/classes/RecordLines.class" ] || [ "$here/RecordLines.java" -nt "$into/classes/RecordLines.class" ]; then
    mkdir -p "$into/classes" "$into/source"
    local package=s/kafka.common.record.internal/kafka.common.record/
    if unzip -l "$into/libs/kafka-clients-$version.jar" | grep -c common/record/internal/MemoryRecords.class > /dev/null; then
      package=
    fi
    sed "$package" "$here/RecordLines.java" > "$into/source/RecordLines.java"
    javac -nowarn -cp "$into/libs/*" -d "$into/classes" "$into/source/RecordLines.java"
  fi
}

for version in 4.3.1 3.9.1; do
  prepare "$version"
  java_program=(java -Xmx512m -cp "$work/$version/classes:$work/$version/libs/*" RecordLines)
  "${java_program[@]}" write "$seed" "$runs" > "$work/$version/kafka.lines"
  "$compare" < "$work/$version/kafka.lines" > "$work/$version/barnabas.lines"
  "${java_program[@]}" verify < "$work/$version/barnabas.lines"
  echo "record batches agree with Apache Kafka $version"
done
