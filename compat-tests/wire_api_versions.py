#!/usr/bin/env python3
"""ApiVersions, in each version and on each listener, says what Apache Kafka says, older versions and missing APIs apart.

Every API that is served reaches from the lowest version of Apache Kafka 3.9.1 to the highest of 4.3.1, as the schemas
have them; what Apache Kafka serves and Barnabas does not is named in docs/gaps.md. Both nodes are asked the same.
"""

import re

from harness import case
from harness.outcome import check, check_equal, step
from harness.places import ROOT
from harness.wire import Connection, messages

SOFTWARE = {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"}
# Served in fewer versions than the schemas have: Kafka itself keeps the newest one back.
NOT_STABLE = {22: 6}


def api_versions(port, version):
    with Connection(port) as connection:
        return connection.call(18, version, SOFTWARE if version >= 3 else {})


def named_as_missing():
    """The keys in the section 'APIs that are not served' of docs/gaps.md, which writes some as ranges."""
    section = (ROOT / "docs/gaps.md").read_text().split("## APIs that are not served")[1].split("\n## ")[0]
    keys = set()
    for numbers in re.findall(r"\((\d[\d, -]*)\)", section):
        for part in numbers.split(","):
            first, _, last = part.strip().partition("-")
            keys |= set(range(int(first), int(last or first) + 1))
    return keys


def ranges(answer):
    return {api["ApiKey"]: (api["MinVersion"], api["MaxVersion"]) for api in answer["ApiKeys"]}


def compare_ranges(got, expected, where):
    check(not got.keys() - expected.keys(), f"{where}: served by Barnabas alone: {sorted(got.keys() - expected.keys())}")
    missing = expected.keys() - got.keys() - named_as_missing()
    check(not missing, f"{where}: not served and not named in docs/gaps.md: {sorted(missing)}")
    for key, (lowest, highest) in got.items():
        check_equal(highest, expected[key][1], f"{where}: the highest version of API {key}")
        valid = messages()[key, "request"].valid
        check(lowest <= expected[key][0], f"{where}: API {key} begins at {lowest}, Kafka's at {expected[key][0]}")
        check_equal(lowest, valid.low, f"{where}: the lowest version of API {key}, which 3.9.1 has")
        check_equal(highest, NOT_STABLE.get(key, valid.high + 1) - 1, f"{where}: the highest version of API {key}")


def without(answer, *names):
    return {name: value for name, value in answer.items() if name not in names}


def compare(kafka, barnabas):
    for where in ("port", "controller_port"):
        for version in range(5):
            expected, got = (api_versions(getattr(broker, where), version) for broker in (kafka, barnabas))
            # The epoch is an offset of the metadata log: of the moment.
            of_moment = ("ApiKeys", "FinalizedFeaturesEpoch")
            listed = {name: sorted(value, key=lambda one: one["Name"]) for name, value in got.items()
                      if name in ("SupportedFeatures", "FinalizedFeatures")}
            wanted = {name: sorted(value, key=lambda one: one["Name"]) for name, value in expected.items()
                      if name in ("SupportedFeatures", "FinalizedFeatures")}
            check_equal({**without(got, *of_moment), **listed}, {**without(expected, *of_moment), **wanted},
                        f"ApiVersions {version} on the {where}")
            check_equal(got.keys(), expected.keys(), f"the fields of ApiVersions {version}")
            check_equal(got.get("FinalizedFeaturesEpoch", 0) >= 0, True, "the epoch of the features")
            compare_ranges(ranges(got), ranges(expected), f"ApiVersions {version} on the {where}")


def run(case):
    kafka = case.broker(name="kafka", kind="kafka").start()
    check(set(ranges(api_versions(kafka.port, 4))) & named_as_missing(), "docs/gaps.md names APIs of Kafka")
    if case.is_barnabas:
        barnabas = case.broker().start()
        compare(kafka, barnabas)
        served = ranges(api_versions(barnabas.port, 4))
        step(f"{len(served)} APIs are served from Kafka 3.9.1's lowest to 4.3.1's highest version, the others are named")
        barnabas.stop()
    kafka.stop()


if __name__ == "__main__":
    case.main(run)
