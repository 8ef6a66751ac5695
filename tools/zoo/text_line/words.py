# SPDX-License-Identifier: Apache-2.0
"""Text for the lines: words, numbers, dates, addresses, prices, random strings.

One word in ten (by a hash of its lower-case stem) is held out: training text
never contains it, test text contains no other dictionary word.
"""

import string
import zlib

import numpy as np

CHARSET = "".join(chr(c) for c in range(0x20, 0x7F))  # class = index + 1
VISIBLE = CHARSET[1:]
DICTIONARIES = ("/usr/share/dict/american-english",
                "/usr/share/dict/british-english")
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DOMAINS = "com org net de fr io eu co.uk info edu".split()


def held_out(word):
    stem = word.lower().split("'")[0]  # dog's goes wherever dog goes
    return zlib.crc32(stem.encode()) % 10 == 0


def dictionary(part):
    words = set()
    for path in DICTIONARIES:
        with open(path, encoding="utf-8") as f:
            words.update(w.strip() for w in f)
    keep = (part == "test")
    return sorted(w for w in words
                  if w and all(c in VISIBLE for c in w) and held_out(w) == keep)


class TextMaker:
    def __init__(self, part, rng):
        self.words = dictionary(part)
        self.rng = rng

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, seq):
        return seq[self.between(0, len(seq))]

    def between(self, low, end):
        return int(self.rng.integers(low, end))

    def digits(self, low, high):
        return "".join(self.pick(string.digits) for _ in range(self.between(low, high + 1)))

    def word(self):
        w = self.pick(self.words)
        if "'" in w and self.chance(.7):  # a third of the dictionary: too many
            w = w.split("'")[0] or w
        r = self.rng.random()
        if r < 0.20:
            return w[0].upper() + w[1:]
        if r < 0.33:
            return w.upper()
        if r < 0.35:  # or the network guesses a letter's case by its neighbours alone
            return "".join(c.upper() if self.chance(.5) else c for c in w)
        return w

    def sentence(self):
        n = 1 + int(self.rng.geometric(0.38))
        words = [self.word() for _ in range(min(n, 7))]
        for i in range(len(words)):
            r = self.rng.random()
            if r < 0.10:
                words[i] += self.pick(",,,.;:!?")
            elif r < 0.16:
                a, b = self.pick(['()', '""', "''", '[]', '{}', '<>', '**', '``'])
                words[i] = a + words[i] + b
            elif r < 0.20:
                words[i] += self.pick(["-", "/", "&", "_", "+", "~"]) + self.word()
        text = " ".join(words)
        if self.chance(.25):
            text += self.pick("....!?:;")
        return text

    def number(self):
        d, n, pick = self.digits, self.between, self.pick
        kind = n(0, 11)
        if kind == 0:
            return d(1, 8)
        if kind == 1:
            return pick("$$#+-") + d(1, 4) + "." + d(2, 2)
        if kind == 2:
            return f"{n(1, 999)},{d(3, 3)}.{d(2, 2)}" + pick(["", " EUR", " USD", "$"])
        if kind == 3:
            return f"{n(1, 32):02d}{pick('./-')}{n(1, 13):02d}{pick('./-')}{n(1900, 2100)}"
        if kind == 4:
            return f"{n(1900, 2100)}-{n(1, 13):02d}-{n(1, 32):02d}"
        if kind == 5:
            return f"{n(0, 24):02d}:{n(0, 60):02d}" + pick(["", "", ":" + d(2, 2), " am", " PM"])
        if kind == 6:
            return f"{pick(MONTHS)} {n(1, 32)}, {n(1900, 2100)}"
        if kind == 7:
            return f"+{d(1, 3)} {pick(['(%s) ' % d(2, 4), d(2, 4) + ' '])}{d(3, 4)}-{d(2, 4)}"
        if kind == 8:
            unit = d(1, 3) + pick(["%", " %", " kg", " mm", "x", " V", "C"])
            return unit + pick(["", "", " " + d(1, 3)])
        if kind == 9:
            return f"{d(1, 4)} {pick('+-*/=<>^')} {d(1, 4)}" + pick(["", " = " + d(1, 5)])
        return pick(["No. ", "#", "Nr ", "ID ", "p. ", "v"]) + d(1, 3) + pick(".-/") + d(1, 4)

    def address(self):
        d, n, pick = self.digits, self.between, self.pick
        w = lambda: pick(self.words).lower().replace("'", "")
        kind = n(0, 4)
        if kind == 0:
            user = f"{w()}{pick(['', '.', '_', '-'])}{pick([w(), d(1, 3)])}"
            return f"{user}@{w()}.{pick(DOMAINS)}"
        if kind == 1:
            site = f"{pick(['http://', 'https://', 'www.', ''])}{w()}.{pick(DOMAINS)}/"
            return site + pick(["", w(), w() + "?" + w() + "=" + d(1, 3), w() + ".html"])
        if kind == 2:
            root, slash = pick(["/", "C:\\", "~/", "../"]), pick("/\\")
            return root + slash.join([w(), w() + "." + pick(["txt", "c", "h", "py", "tar.gz", "PDF"])])
        return ".".join(str(n(0, 256)) for _ in range(4)) + pick(["", ":" + d(2, 5), "/24"])

    def code(self):
        d, n, pick = self.digits, self.between, self.pick
        w = lambda: pick(self.words).replace("'", "_")[:10]
        kind = n(0, 6)
        if kind == 0:
            return f"{w()}_{w()}({w()}, {d(1, 3)});"
        if kind == 1:
            return f"{w()}[{d(1, 2)}] = {{{d(1, 3)}, {d(1, 3)}}};"
        if kind == 2:
            return f"#define {w().upper()} 0x{n(0, 1 << 24):X}"
        if kind == 3:
            return f"if ({w()} {pick(['==', '!=', '<=', '>=', '&&', '||'])} {w()})"
        if kind == 4:
            return f"<{w()} {w()}=\"{w()}\">"
        return f"{pick('$%@&*!')}{w()} {pick('|^~+-')} `{w()}`"

    def random_string(self):
        chars = self.pick([VISIBLE, VISIBLE, string.ascii_letters + string.digits,
                           string.ascii_uppercase + string.digits,
                           string.ascii_letters + "-.,:/'"])
        n = self.between(1, 13)
        text = "".join(self.pick(chars) for _ in range(n))
        if n > 4 and self.chance(.3):
            cut = self.between(1, n - 1)
            text = text[:cut] + " " + text[cut:]
        return text

    def mixed(self):
        parts = [self.pick([self.word, self.word, self.number])() for _ in
                 range(self.between(2, 5))]
        return self.pick([" ", " ", " - ", ": ", ", ", " | "]).join(parts)

    def line(self, max_chars):
        """One line of text; long tails are cut so that widths stay bounded."""
        r = self.rng.random()
        for share, make in ((.40, self.sentence), (.55, self.number),
                            (.63, self.address), (.69, self.code),
                            (.80, self.mixed), (1., self.random_string)):
            if r < share:
                text = make()
                break
        return text[:max_chars].strip() or self.word()


def encode(text):
    """Class indices: 0 is the CTC blank, so symbols start at 1."""
    return np.array([ord(c) - 0x20 + 1 for c in text], np.uint8)
