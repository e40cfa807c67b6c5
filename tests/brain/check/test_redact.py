"""Redaction, measured: recall and precision over a labelled set, checksums by property, no way around by disguise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.check.checksums import iban, luhn
from farthing.brain.check.redact import findings, redact

# Kind, the personal part, the sentence around it.
PRIVATE = [
    ("email", "bob@example.com", "Write to {} please."),
    ("email", "Jane.Doe+news@mail.example.co.uk", "<{}>"),
    ("email", "x_1@sub-domain.example.museum", "contact:{},"),
    ("phone", "+49 30 1234567", "Call {} today"),
    ("phone", "+1 (415) 555-2671", "my number is {}."),
    ("phone", "(415) 555-2671", "ring {}"),
    ("phone", "415-555-2671", "ring {} or not"),
    ("phone", "030 / 12345678".replace(" / ", "/"), "Tel. {}"),
    ("phone", "0044 20 7946 0958", "Phone {}"),
    ("phone", "+33 1 23 45 67 89", "appelle {}"),
    ("card", "4111 1111 1111 1111", "card {} exp 12/27"),
    ("card", "5500-0000-0000-0004", "paid with {}"),
    ("card", "378282246310005", "amex {}"),
    ("card", "6011000990139424", "order 77 with {} please"),
    ("card", "4111 1111 1111 1111", "order 12 {} 2027"),
    ("iban", "DE89 3704 0044 0532 0130 00", "to {} by Friday"),
    ("iban", "GB29NWBK60161331926819", "account {}"),
    ("iban", "FR1420041010050500013M02606", "IBAN {}."),
    ("ssn", "078-05-1120", "SSN {}"),
    ("ip", "192.168.17.203", "from {} at noon"),
    ("ipv6", "2001:db8:85a3::8a2e:370:7334", "host {}"),
    ("ipv6", "fe80:0:0:0:200:f8ff:fe21:67cf", "host {}"),
    ("api_key", "sk-proj-abcdEFGH1234567890abcd", "key {}"),
    ("api_key", "fk-0123456789abcdefghjkmnpqrs", "use {}"),
    ("api_key", "sk-ant-api03-AbCdEfGhIjKlMnOp", "{}"),
    ("cloud_key", "AKIAIOSFODNN7EXAMPLE", "aws {}"),
    ("cloud_key", "AIzaSyA1234567890abcdefghijklmnopqrstu", "maps {}"),
    ("github_token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "token {}"),
    ("slack_token", "xoxb-123456789012-abcdefghij", "{}"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "cookie {}"),
    ("bearer", "Bearer abcdef0123456789ABCDEF", "Authorization: {}"),
    ("secret", "password: hunter2!", "my {}"),
    ("secret", "password is hunter2", "the {} since May"),
    ("secret", 'api_key="a1b2c3d4e5"', "set {}"),
    ("url_password", "postgres://admin:s3cret@", "at {}db.internal/x"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "{}"),
]

# Looks like it, and is not.
HARMLESS = [
    "Version 7.4.2 was built on 2024-01-15 at 10:30:45.",
    "The order 1234567890123456 has 3 items.",
    "Pi is 3.14159265358979 and e is 2.718281828.",
    "See sections 1.2.3 and 4.5.6, pages 100-200, 12,871 files.",
    "Password is required. The secret is out.",
    "The token budget is 4096 tokens; max_tokens=256.",
    "He said @bob was there; the ratio a:b is 3:4.",
    "Address 300.1.2.3 is not valid, nor is 1.2.3.",
    "GB29 NWBK 6016 1331 9268 18 has a wrong check digit.",
    "The year 2024 had 366 days, 8784 hours and 527040 minutes.",
    "Call sk-learn or skip it; the ask-me-anything is on Friday.",
    "def f(x): return x[1:2] + x[::2]  # slices",
    "In 1990-2000 the price rose from 100 to 250.",
    "https://example.com/path?x=1 and http://localhost:8080/v1",
    "std::vector<int> and a::b::c are C++.",
    "The basic authentication scheme, bearer of bad news.",
]


@pytest.mark.parametrize(("kind", "datum", "around"), PRIVATE, ids=[f"{row[0]}-{index}" for index, row in enumerate(PRIVATE)])
def test_each_is_found_whole_and_nothing_around_it(kind, datum, around):
    assert redact(around.format(datum)) == around.format(f"[{kind}]")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_stays(text):
    assert redact(text) == text


def test_recall_and_precision_on_the_labelled_set(capsys):
    found = sum(bool(findings(around.format(datum))) for _, datum, around in PRIVATE)
    false = sum(len(findings(text)) for text in HARMLESS)
    with capsys.disabled():
        print(f"\nredaction: recall {found}/{len(PRIVATE)}, precision {found}/{found + false}")
    assert (found, false) == (len(PRIVATE), 0)


def test_several_in_one_text():
    text = "bob@example.com, +49 30 1234567 and 4111 1111 1111 1111; again bob@example.com"
    assert redact(text) == "[email], [phone] and [card]; again [email]"


DISGUISES = ["b​ob@example.com", "bob＠example.com", "bоb@exаmple.com", "bob@exam­ple.com", "𝐛𝐨𝐛@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦", "bòb@éxample.com", "bob@example。com"]


@pytest.mark.parametrize("datum", DISGUISES)
def test_disguised_data_is_found_and_cut_at_its_place(datum):
    assert redact(f"Schöne Grüße an {datum}, danke – Zoë") == "Schöne Grüße an [email], danke – Zoë"


def test_text_without_findings_comes_back_untouched_even_when_odd():
    text = "Grüße \ud800 ﬁn​al ＡＢＣ"
    assert redact(text) == text


@given(st.integers(10**11, 10**18 - 1))
def test_exactly_one_check_digit_passes_luhn(number):
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1


@given(st.integers(10**14, 10**15 - 1), st.integers(0, 14), st.integers(1, 9))
def test_luhn_sees_any_single_wrong_digit(number, place, shift):
    valid = next(f"{number}{digit}" for digit in range(10) if luhn(f"{number}{digit}"))
    wrong = valid[:place] + str((int(valid[place]) + shift) % 10) + valid[place + 1 :]
    assert not luhn(wrong)


@given(st.text(alphabet="0123456789", min_size=18, max_size=18))
def test_exactly_one_pair_of_check_digits_makes_an_iban(account):
    assert sum(iban(f"DE{check:02d}{account}") for check in range(2, 99)) == 1


@given(st.text(max_size=300))
def test_any_text_is_redacted_without_error_and_stays_redacted(text):
    once = redact(text)
    assert findings(once) == [] or redact(once) != text


@given(st.text(alphabet="ab \u200b\u0301éо１＠@.", max_size=60), st.text(alphabet="ab \u200b\u0301éо１ ", max_size=60))
def test_a_planted_address_never_survives(before, after):
    assert "bob@example.com" not in redact(f"{before} bob@example.com {after}")
