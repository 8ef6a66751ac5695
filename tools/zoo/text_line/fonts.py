# SPDX-License-Identifier: Apache-2.0
"""Which font faces the line renderer may use, and which families are held out.

The split is by family, never by face: a bold face of a training family would
tell the network nothing new, so a held-out bold face must not have a regular
sister in training.
"""

import json
import os
import sys
from collections import defaultdict

from fontTools.ttLib import TTFont
from PIL import ImageFont

# Debian 12 packages. README.md has the command that installs them.
PACKAGES = """
fonts-3270 fonts-adf-accanthis fonts-adf-baskervald fonts-adf-berenis
fonts-adf-gillius fonts-adf-ikarius fonts-adf-irianis fonts-adf-libris
fonts-adf-mekanus fonts-adf-romande fonts-adf-switzera fonts-adf-tribun
fonts-adf-universalis fonts-adf-verana fonts-agave fonts-anonymous-pro
fonts-arapey fonts-atarismall fonts-averia-gwf fonts-averia-sans-gwf
fonts-averia-serif-gwf fonts-b612 fonts-cabin fonts-cantarell fonts-cardo
fonts-century-catalogue fonts-clear-sans fonts-comfortaa fonts-comic-neue
fonts-compagnon fonts-courier-prime fonts-crosextra-caladea fonts-dejavu-core
fonts-dejavu-extra fonts-dosis fonts-dustin fonts-ebgaramond fonts-essays1743
fonts-fantasque-sans fonts-fanwood fonts-firacode fonts-freefont-ttf
fonts-gfs-artemisia fonts-gfs-didot fonts-gfs-neohellenic fonts-go
fonts-goudybookletter fonts-hack fonts-hermit fonts-inconsolata fonts-inter
fonts-jetbrains-mono fonts-junction fonts-junicode fonts-jura fonts-karla
fonts-lato fonts-league-mono fonts-league-spartan fonts-liberation
fonts-lindenhill fonts-linuxlibertine fonts-lmodern fonts-manrope fonts-monofur
fonts-monoid fonts-mononoki fonts-mplus fonts-nanum fonts-noto-core
fonts-noto-mono fonts-ocr-b fonts-okolaks fonts-oldstandard fonts-open-sans
fonts-opendyslexic fonts-osifont fonts-oxygen fonts-paratype fonts-play
fonts-prociono fonts-quattrocento fonts-quicksand fonts-roboto-slab
fonts-roboto-unhinted fonts-routed-gothic fonts-sil-andika fonts-sil-charis
fonts-sil-doulos fonts-sil-gentium fonts-sil-padauk fonts-sora fonts-stix
fonts-texgyre fonts-tiresias fonts-tlwg-garuda-ttf fonts-tlwg-kinnari-ttf
fonts-tlwg-loma-ttf fonts-tlwg-norasi-ttf fonts-tlwg-typo-ttf
fonts-tlwg-umpush-ttf fonts-tuffy fonts-urw-base35 fonts-vollkorn
fonts-yanone-kaffeesatz fonts-yrsa-rasa
""".split()

# Families never seen in training: group name -> prefixes of the family name.
HELD_OUT = {
    "EB Garamond": ["EB Garamond"],
    "Gentium": ["Gentium"],
    "Linux Libertine": ["Linux Libertine"],
    "Vollkorn": ["Vollkorn"],
    "Cantarell": ["Cantarell"],
    "Clear Sans": ["Clear Sans"],
    "Inter": ["Inter"],
    "Lato": ["Lato"],
    "Linux Biolinum": ["Linux Biolinum"],
    "Courier Prime": ["Courier Prime"],
    "Inconsolata": ["Inconsolata"],
    "JetBrains Mono": ["JetBrains Mono"],
    "Comfortaa": ["Comfortaa"],
    "Comic Neue": ["Comic Neue"],
    "Yanone Kaffeesatz": ["Yanone Kaffeesatz"],
}
KIND = {
    "EB Garamond": "serif", "Gentium": "serif", "Linux Libertine": "serif",
    "Vollkorn": "serif", "Cantarell": "sans", "Clear Sans": "sans",
    "Inter": "sans", "Lato": "sans", "Linux Biolinum": "sans",
    "Courier Prime": "mono", "Inconsolata": "mono", "JetBrains Mono": "mono",
    "Comfortaa": "display", "Comic Neue": "display",
    "Yanone Kaffeesatz": "display",
}

# Symbol, mathematics and keyboard fonts, handwriting and uncials, small capitals
# (the label of a small capital is a matter of opinion) and look-alikes of a held-out family
# (Carlito is drawn from Lato).
UNUSABLE = ("D050000L", "Standard Symbols", "Carlito", "Keyfont", "Keyboard",
            "Caps", "Smallcaps", "Titling", "Math", "Junkyard",
            "Domestic Manners", "El Abogado Loco", "Penguin Attack",
            "Humor Sans", "Romande ADF Script", "Unslanted", "Breip",
            "Solothurn", "Oldania", "Irianis ADF Style")

ROOTS = ("/usr/share/fonts", "/usr/share/texmf/fonts")


def group_of(family):
    """Held-out group of a family name, or None when it may be trained on."""
    for group, prefixes in HELD_OUT.items():
        if any(family == p or family.startswith(p + " ") or
               (p == "Gentium" and family.startswith(p)) for p in prefixes):
            return group
    return None


def training_key(family):
    """Sampling unit: cuts of one design share a key, so that they share a weight."""
    return " ".join(family.split()[:2])


def usable(path):
    """Family name when the face draws all of printable ASCII in two cases."""
    cmap = TTFont(path, lazy=True, fontNumber=0).getBestCmap() or {}
    if any(code not in cmap for code in range(0x20, 0x7F)):
        return None
    face = ImageFont.truetype(path, 24)
    family = face.getname()[0] or ""
    if not family or any(word in family for word in UNUSABLE):
        return None
    if bytes(face.getmask("a")) == bytes(face.getmask("A")):
        return None
    return family


def scan():
    """{'train': {key: [paths]}, 'test': {group: [paths]}} of installed fonts."""
    split = {"train": defaultdict(list), "test": defaultdict(list)}
    for root in ROOTS:
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                if not name.lower().endswith((".ttf", ".otf")):
                    continue
                path = os.path.join(folder, name)
                try:
                    family = usable(path)
                except Exception:
                    continue  # a broken or bitmap-only face is no loss
                if family is None:
                    continue
                group = group_of(family)
                if group:
                    split["test"][group].append(path)
                else:
                    split["train"][training_key(family)].append(path)
    return {part: {k: sorted(v) for k, v in sorted(d.items())}
            for part, d in split.items()}


def load(cache):
    """Scan once: opening a thousand font files takes a while."""
    if not os.path.exists(cache):
        with open(cache, "w") as f:
            json.dump(scan(), f, indent=1)
    with open(cache) as f:
        return json.load(f)


if __name__ == "__main__":
    if sys.argv[1:] == ["packages"]:
        print(" ".join(PACKAGES))
    else:
        found = scan()
        for part in ("train", "test"):
            faces = sum(len(v) for v in found[part].values())
            print(f"{part}: {len(found[part])} families, {faces} faces")
            for key, paths in found[part].items():
                print(f"  {key} ({len(paths)})")
