"""What lets somebody in leaves a host in no plan, journal or page, and comes back into its files."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.bridge.backends import ifupdown
from kvmkit.bridge.facts import Network
from kvmkit.bridge.sealed import opened, seal, secrets_of

INTERFACES = "/etc/network/interfaces"
YAML = "/etc/netplan/01.yaml"
NOTATIONS = [
    (INTERFACES, "iface wlan0 inet dhcp\n\twpa-ssid home\n\twpa-psk hunter2\n"),
    (INTERFACES, 'iface wlan0 inet dhcp\n    wpa-psk "hunter2 hunter2"\n'),
    (INTERFACES, "iface wlan0 inet dhcp\n    wpa-psk \\\n        hunter2\n"),
    (INTERFACES, "iface wlan0 inet dhcp\n    wireless-key1 s:hunter2\n    wpa-private-key-passwd hunter2\n"),
    (INTERFACES, "iface wlan0 inet dhcp\n    pre-up iwconfig wlan0 key s:hunter2 essid home\n"),
    (INTERFACES, "iface eth0 inet dhcp\n    up curl http://me:hunter2@router/up\n"),
    (
        "/etc/systemd/network/wg0.netdev",
        "[WireGuard]\nPrivateKey=hunter2\n[WireGuardPeer]\nPresharedKey = hunter2\n",
    ),
    ("/etc/systemd/network/ms.netdev", "[MACsecTransmitAssociation]\nKey=\\\nhunter2\n"),
    (
        "/etc/NetworkManager/system-connections/a",
        "[gsm]\npin=hunter2\n[802-1x]\nprivate-key-password=hunter2\n",
    ),
    (YAML, "network: {wifis: {wlan0: {access-points: {home: {password: hunter2, hidden: true}}}}}\n"),
    (YAML, 'network:\n  wifis:\n    wlan0:\n      auth:\n        "client-key-password": "hunter2"\n'),
    (
        YAML,
        (
            "network:\n  tunnels:\n    wg0:\n      keys:\n        private: hunter2\n"
            "      peers:\n        - keys: {shared: hunter2}\n"
        ),
    ),
    (
        YAML,
        "network:\n  tunnels:\n    wg0:\n      key:\n        hunter2\n  modems:\n    m: {pin: 'hunter2'}\n",
    ),
    (YAML, "x-shared: &it hunter2\nnetwork:\n  wifis: {w: {access-points: {a: {password: *it}}}}\n"),
    (
        YAML,
        (
            "network:\n  wifis:\n    w:\n      password: &it !!str |\n"
            "        hunter2\n        hunter2\n      optional: true\n"
        ),
    ),
    (
        YAML,
        (
            "network:\n  ethernets:\n    e:\n      networkmanager:\n        passthrough:\n"
            "          802-1x.password: hunter2\n"
        ),
    ),
    (YAML, "network:\n\tpassword: hunter2\n"),
]


@pytest.mark.parametrize(("path", "text"), NOTATIONS)
def test_secrets_are_sealed_in_each_notation_and_come_back(path: str, text: str) -> None:
    sealed = seal(path, text)

    assert "hunter2" not in sealed
    assert opened(sealed, secrets_of({path: text.encode()})) == text


@pytest.mark.parametrize("path", [INTERFACES, YAML])
@given(text=st.text(alphabet="ab:=\\\n\t \"'{}[]&*|-#!pskey1/@", max_size=60))
def test_what_is_sealed_is_opened_again(path: str, text: str) -> None:
    sealed = seal(path, text)
    assert opened(sealed, secrets_of({path: text.encode()})) == text


def test_what_is_no_secret_stays_readable() -> None:
    text = (
        "iface eth0 inet static\n\taddress 10.0.0.2/24\n\twpa-key-mgmt WPA-PSK\n\tup ip route add default\n"
    )
    assert seal(INTERFACES, text) == text
    plain = "network: {version: 2, ethernets: {eth0: {dhcp4: true, macaddress: 52:54:00:00:01:00}}}"
    assert seal(YAML, plain) == plain
    assert yaml.safe_load(seal(YAML, NOTATIONS[9][1]))


def test_a_mark_without_its_secret_is_a_conflict() -> None:
    with pytest.raises(kk.Conflict, match="plan again"):
        opened(seal(INTERFACES, NOTATIONS[0][1]), {})


def test_a_recipe_has_marks_and_what_is_sent_has_the_host_own_text(
    read_capture: Callable[[str], Network],
) -> None:
    network = read_capture("ifupdown")
    text = network.files[INTERFACES] + NOTATIONS[0][1]
    sealed = replace(network, files={INTERFACES: seal(INTERFACES, text)})
    recipe = ifupdown.bridge(sealed, kk.BridgeSpec(nic="eth0"))

    assert "hunter2" not in recipe.model_dump_json()
    told = opened(str(recipe.keep_files[INTERFACES]), secrets_of({INTERFACES: text.encode()}))
    assert "wpa-psk hunter2" in told
