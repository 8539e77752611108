"""Keys: made for their owner's eyes only, opened with their own passphrase, and refused anywhere else."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from registry.adapters.clocks import SystemClock
from registry.adapters.keys import (
    BadName,
    FileSigner,
    KeyExists,
    KeyFiles,
    KeyNotOpened,
    NoKey,
    OutOfReach,
    UnsafeKey,
    find_key,
    key_directory,
    key_path,
    load_key,
    make_key,
)
from registry.core.ledger.envelope import key_id_of, pae, seal, verify


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    return make_key(tmp_path / "keys" / "ada.pem")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_key_is_its_owners_alone(files: KeyFiles) -> None:
    """The directory, the key and the passphrase; the public half is for everybody."""
    assert files.passphrase

    assert [mode(path) for path in (files.private.parent, files.private, files.passphrase)] == [0o700, 0o600, 0o600]
    assert key_id_of(files.public.read_text()) == load_key(files).key_id
    assert files.private.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert len(files.passphrase.read_text().strip()) == 32
    assert load_key(files).public_pem == files.public.read_text()


def test_a_key_signs_and_its_public_half_verifies(files: KeyFiles) -> None:
    """The same message has the same signature (RFC 6979)."""
    signer = load_key(files)
    message = pae(b"{}")

    assert signer.sign(message) == load_key(files).sign(message)
    sealed = seal(b"{}", {signer.key_id: signer.sign(message)})
    assert verify(sealed, {signer.key_id: signer.public_pem}, 1).payload == b"{}"
    assert "PRIVATE" not in repr(signer)
    assert signer.key_id[:12] in repr(signer)


def test_the_signature_is_the_one_that_rfc_6979_prints() -> None:
    """Section A.2.5: P-256, SHA-256, message `sample`."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    r, s = decode_dss_signature(FileSigner(derive_private_key(secret, SECP256R1()), "").sign(b"sample"))

    assert r == 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    assert s == 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def test_a_key_opens_with_a_passphrase_that_a_person_keeps(tmp_path: Path) -> None:
    """Then no file holds it, and without it the key stays shut."""
    files = make_key(tmp_path / "keys" / "ada.pem", passphrase="correct horse battery")

    assert files.passphrase is None
    assert sorted(path.name for path in files.private.parent.iterdir()) == ["ada.pem", "ada.pub"]
    assert load_key(files, passphrase="correct horse battery").key_id
    with pytest.raises(NoKey, match="REGISTRY_PASSPHRASE_FILE"):
        load_key(files)
    with pytest.raises(KeyNotOpened):
        load_key(files, passphrase="correct horse batterx")


def test_a_short_passphrase_makes_no_key(tmp_path: Path) -> None:
    """Encryption cannot help what can be guessed."""
    with pytest.raises(UnsafeKey):
        make_key(tmp_path / "keys" / "ada.pem", passphrase="elevenchars")

    assert not (tmp_path / "keys").exists()


def test_a_key_is_never_replaced(files: KeyFiles) -> None:
    """Nor its passphrase, nor its public half."""
    before = files.private.read_bytes()
    with pytest.raises(KeyExists):
        make_key(files.private)
    files.private.unlink()
    with pytest.raises(KeyExists):
        make_key(files.private)

    assert before
    assert not files.private.exists()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_key_or_passphrase_that_others_can_read_is_refused(files: KeyFiles, bits: int) -> None:
    """With the command that mends it, and a thought about who has read it."""
    assert files.passphrase
    for path in (files.private, files.passphrase):
        path.chmod(bits)
        with pytest.raises(UnsafeKey, match="chmod 600") as caught:
            load_key(files)
        path.chmod(0o600)

        assert caught.value.exit_code == 2
    assert load_key(files)


def test_a_directory_that_others_can_look_into_gets_no_key(tmp_path: Path) -> None:
    """It is the owner's to close it."""
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(UnsafeKey, match="chmod 700"):
        make_key(tmp_path / "open" / "ada.pem")


def test_a_key_inside_a_git_work_tree_is_neither_made_nor_opened(tmp_path: Path, files: KeyFiles) -> None:
    """It would be committed one day; through a link it is inside, too."""
    inside = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(inside)], check=True)
    (tmp_path / "alias").symlink_to(inside)
    for place in (inside / "ada.pem", inside / "deep" / "er" / "ada.pem", tmp_path / "alias" / "ada.pem"):
        with pytest.raises(UnsafeKey, match="repository"):
            make_key(place)
    (inside / "deep").mkdir(mode=0o700)
    moved = inside / "deep" / "ada.pem"
    files.private.rename(moved)
    with pytest.raises(UnsafeKey, match="repository"):
        load_key(KeyFiles(moved, files.public, files.passphrase))


def test_a_changed_key_is_not_opened(files: KeyFiles) -> None:
    """Not with any byte turned that matters, not cut short, not plain, not of another kind, not behind a link."""
    good = files.private.read_bytes()
    assert files.passphrase
    head = good.index(b"\n") + 1
    own = load_key(files).key_id
    opened = 0
    for at in range(head, len(good) - 40, 5):
        files.private.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with suppress(KeyNotOpened):
            opened += load_key(files).key_id == own
    for bad in (b"", good[: len(good) // 2], b"rubbish", files.public.read_bytes()):
        files.private.write_bytes(bad)
        with pytest.raises(KeyNotOpened):
            load_key(files)

    assert opened == 0


def test_a_key_of_another_kind_is_not_opened(files: KeyFiles) -> None:
    """Only ECDSA P-256 signs; and a key that is not encrypted is no key of ours."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    assert files.passphrase
    secret: KeySerializationEncryption = BestAvailableEncryption(files.passphrase.read_bytes().strip())
    form = (Encoding.PEM, PrivateFormat.PKCS8)
    others = [
        ec.generate_private_key(ec.SECP384R1()).private_bytes(*form, secret),
        ed25519.Ed25519PrivateKey.generate().private_bytes(*form, secret),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(*form, NoEncryption()),
    ]
    for other in others:
        files.private.write_bytes(other)
        with pytest.raises(KeyNotOpened):
            load_key(files)


def test_another_keys_passphrase_does_not_open_it(files: KeyFiles, tmp_path: Path) -> None:
    """The error says what to look at, and never what was tried."""
    other = make_key(tmp_path / "keys" / "bob.pem")
    assert other.passphrase
    with pytest.raises(KeyNotOpened) as caught:
        load_key(KeyFiles(files.private, files.public, other.passphrase))

    assert "REGISTRY_PASSPHRASE_FILE" in caught.value.mend
    assert other.passphrase.read_text().strip() not in str(caught.value)


def test_what_is_no_plain_file_is_refused(files: KeyFiles, tmp_path: Path) -> None:
    """A link, a directory, a pipe: nothing is followed, and nothing hangs."""
    real = files.private.rename(tmp_path / "real.pem")
    makers: tuple[Callable[[], None], ...] = (
        partial(files.private.symlink_to, real),
        partial(files.private.mkdir, 0o700),
        partial(os.mkfifo, files.private, 0o600),
    )
    for make in makers:
        make()
        with pytest.raises(UnsafeKey, match="plain file"):
            load_key(files)
        files.private.rmdir() if files.private.is_dir() and not files.private.is_symlink() else files.private.unlink()
    with pytest.raises(NoKey):
        load_key(files)


def test_keys_are_found_where_the_environment_says(files: KeyFiles, tmp_path: Path) -> None:
    """By path only: no passphrase is ever read from the environment itself."""
    home = {"XDG_CONFIG_HOME": str(tmp_path)}

    assert key_directory(home) == tmp_path / "lockstep" / "keys"
    assert key_directory({"XDG_CONFIG_HOME": "relative"}) == key_directory({}) == Path.home() / ".config/lockstep/keys"
    with pytest.raises(NoKey, match="registry key new"):
        find_key(home)
    made = make_key(key_directory(home) / "default.pem")

    assert find_key(home) == made
    assert find_key({**home, "REGISTRY_KEY": str(files.private)}) == files
    elsewhere = {"REGISTRY_KEY": str(files.private), "REGISTRY_PASSPHRASE_FILE": str(made.passphrase)}
    assert find_key(elsewhere).passphrase == made.passphrase


@contextmanager
def nobody_is_asking(closed: Path) -> Iterator[None]:
    """Close a file or directory to everybody, and be one of them: root is asked for no rights, so be nobody."""
    mode = closed.stat().st_mode
    closed.chmod(0o000)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)
        closed.chmod(mode)


def test_a_place_without_rights_is_told_and_no_traceback(tmp_path: Path) -> None:
    """Finding, opening and making: each names the place, and what to set."""
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    files = make_key(key_directory(home) / "default.pem")
    acts: tuple[Callable[[], object], ...] = (
        lambda: find_key(home),
        lambda: find_key({"REGISTRY_KEY": str(files.private)}),
        lambda: load_key(files),
        lambda: make_key(files.private.parent / "other.pem"),
        lambda: make_key(files.private.parent / "deep" / "other.pem"),
    )
    with nobody_is_asking(files.private.parent):
        for act in acts:
            with pytest.raises(OutOfReach, match="Permission denied") as caught:
                act()

            assert caught.value.exit_code == 2
            assert "REGISTRY_KEY" in caught.value.mend
    assert load_key(find_key(home))


def test_a_key_file_without_rights_is_told(files: KeyFiles) -> None:
    """Another's key, in a place that can be looked at, is still another's."""
    with nobody_is_asking(files.private), pytest.raises(OutOfReach, match="Permission denied"):
        load_key(files)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, files: KeyFiles) -> None:
    """A number without an account, as containers have; a key that is named is found all the same."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    for act in (lambda: key_directory({}), lambda: find_key({}), lambda: key_path({}, "ada")):
        with pytest.raises(NoKey) as caught:
            act()

        assert "REGISTRY_KEY" in caught.value.mend
        assert "XDG_CONFIG_HOME" in caught.value.mend
    assert find_key({"REGISTRY_KEY": str(files.private)}) == files


@pytest.mark.parametrize("name", ["", "a/b", "..", "../ada", ".hidden", "-x", "a" * 300, "a\x00b", "a b", "ä", "a\n"])
def test_a_name_that_is_no_plain_file_name_is_refused(name: str, tmp_path: Path) -> None:
    """It would lead out of the directory, or break; a usage error says what a name is."""
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    for act in (lambda: key_path(home, name), lambda: find_key(home, name)):
        with pytest.raises(BadName) as caught:
            act()

        assert caught.value.mend
    assert key_path(home, "ada.lovelace-2_b") == tmp_path / "lockstep" / "keys" / "ada.lovelace-2_b.pem"


def test_a_place_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A name of 300 letters, a circle of links, a file where a directory should be, no file at all."""
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(OutOfReach, match="too long"):
        find_key({"REGISTRY_KEY": str(tmp_path / ("a" * 300))})
    for place in (tmp_path / ("a" * 300) / "x.pem", tmp_path / "circle" / "x.pem", tmp_path / "file" / "x.pem"):
        with pytest.raises(OutOfReach):
            make_key(place)
    for path in (tmp_path / "file" / "x.pem", Path("/")):
        with pytest.raises(NoKey):
            find_key({"REGISTRY_KEY": str(path)})


def test_a_secret_behind_links_is_loaded_by_its_own_path(files: KeyFiles, tmp_path: Path) -> None:
    """As mounted secrets lie: NAME leads to ..data/NAME, and ..data to the newest; the refusal says how."""
    mount = tmp_path / "mount"
    newest = mount / "..2026_01_02"
    newest.mkdir(parents=True)
    assert files.passphrase
    real = files.private.rename(newest / "key.pem")
    files.passphrase.rename(newest / "key.passphrase")
    (mount / "..data").symlink_to(newest.name)
    for name in ("key.pem", "key.passphrase"):
        (mount / name).symlink_to(Path("..data") / name)
    with pytest.raises(UnsafeKey, match="REGISTRY_KEY") as caught:
        load_key(find_key({"REGISTRY_KEY": str(mount / "key.pem")}))
    named = mount / "..data" / "key.pem"

    assert str(named) in caught.value.mend
    assert load_key(find_key({"REGISTRY_KEY": str(named)})).key_id == key_id_of(files.public.read_text())
    linked = {"REGISTRY_KEY": str(real), "REGISTRY_PASSPHRASE_FILE": str(mount / "key.passphrase")}
    with pytest.raises(UnsafeKey, match="REGISTRY_PASSPHRASE_FILE"):
        load_key(find_key(linked))


def test_the_clock_tells_utc() -> None:
    """Aware, and in UTC."""
    now = SystemClock().now()

    assert now.utcoffset() is not None
    assert now.tzname() == "UTC"
