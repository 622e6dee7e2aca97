"""OpenUSD's validators over one file, as its usdchecker runs them (usd-core 26.11, Python 3.9+), with every variant.

check.py FILE ROOT ARKIT: prints one JSON object. Layers and assets that lie outside the folder ROOT are listed, and nothing more.
"""
import json
import os
import sys
import time

from pxr import Usd, UsdUtils, UsdValidation

MAX_ISSUES = 1000
MAX_TEXT = 2000  # letters of a message
MAX_VARIANTS = 1000  # choices that are tried
MAX_SECONDS = 300  # for them

path, root, arkit = sys.argv[1], os.path.realpath(sys.argv[2]), sys.argv[3] == "arkit"
started = time.monotonic()


def outside(name):
    name = name.split("[", 1)[0]
    return name != "" and os.path.commonpath([os.path.realpath(name), root]) != root


def context():
    registry = UsdValidation.ValidationRegistry()
    names = [
        m.name
        for m in registry.GetAllValidatorMetadata()
        if m.name != "usdUtilsValidators:RootPackageValidator" and (arkit or "UsdzValidators" not in m.GetKeywords())
    ]
    return UsdValidation.ValidationContext(registry.GetOrLoadValidatorsByName(names))


def place(site):
    if site.IsPrim():
        return str(site.GetPrim().GetPath())
    if site.IsProperty():
        return str(site.GetProperty().GetPath())
    layer = site.GetLayer()
    return os.path.basename(layer.identifier) if layer else ""


class Findings:
    def __init__(self, validators):
        self.validators, self.issues, self.seen, self.tried, self.partly = validators, [], set(), 0, False

    def look(self, stage):
        for e in self.validators.Validate(stage):
            kind = {"Error": "error", "Warn": "warning"}.get(str(e.GetType()).rsplit(".", 1)[-1], "information")
            issue = {
                "severity": kind,
                "code": e.GetIdentifier(),
                "message": e.GetMessage()[:MAX_TEXT],
                "sites": [place(s)[:MAX_TEXT] for s in e.GetSites()[:10]],
            }
            key = json.dumps(issue)
            if key not in self.seen:
                self.seen.add(key)
                self.issues.append(issue)

    def variants(self, stage, prim, done=frozenset()):
        for name in prim.GetVariantSets().GetNames():
            if name in done:
                continue
            chosen = prim.GetVariantSets().GetVariantSet(name)
            for variant in [*chosen.GetVariantNames(), ""]:
                self.tried += 1
                if self.tried > MAX_VARIANTS or time.monotonic() - started > MAX_SECONDS:
                    self.partly = True
                    return
                chosen.SetVariantSelection(variant)
                self.look(stage)
                self.variants(stage, prim, done | {name})
            chosen.ClearVariantSelection()


# What OpenUSD says of a file may hold the file's own bytes, which need not be text.
NO_TEXT = {"verdict": "unreadable", "reason": "it holds text that is no UTF-8"}


def unreadable(e):
    try:
        return {"verdict": "unreadable", "reason": str(e).strip()[-MAX_TEXT:]}
    except UnicodeDecodeError:
        return NO_TEXT


def check():
    try:
        layers, assets, _ = UsdUtils.ComputeAllDependencies(path)
        foreign = sorted({n for n in [*(l.realPath or l.identifier for l in layers if not l.anonymous), *assets] if outside(n)})
        if foreign:
            return {"foreign": foreign[:10]}
        stage = Usd.Stage.Open(path)
    except Exception as e:  # Tf.ErrorException: not a stage
        return unreadable(e)
    try:
        return judge(stage)
    except UnicodeDecodeError:
        return NO_TEXT


def judge(stage):
    found = Findings(context())
    found.look(stage)
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        for prim in [p for p in stage.Traverse() if p.HasVariantSets()]:
            found.variants(stage, prim)
    codes = {kind: sorted({i["code"] for i in found.issues if i["severity"] == kind}) for kind in ("error", "warning")}
    return {
        "verdict": "fail" if codes["error"] else "incomplete" if found.partly else "pass",
        "errors": codes["error"],
        "warnings": codes["warning"],
        "issues": found.issues[:MAX_ISSUES],
        "truncated": len(found.issues) > MAX_ISSUES,
        "unchecked": ["variants beyond the first %d" % found.tried] if found.partly else [],
    }


print(json.dumps({"version": "OpenUSD %d.%02d" % Usd.GetVersion()[1:], **check()}))
