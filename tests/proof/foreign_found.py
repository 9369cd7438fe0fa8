"""What clients that are not ours are found to do: codes by verdict, as judged on a quiet machine."""

__all__ = ["FOUND"]

_BY_VERDICT = {
    "requests": {
        "PASS": (
            "ERR003 IDM001 IDM004 IDM007 JIT005 RAF001 RAF002 RTY001 RTY002 RTY003 RTY004 "
            "RTY005 RTY006 RTY007 SEC001 SEC005 SEC006 SEC008 TMO008"),
        "FAIL": (
            "ERR002 RAF003 SEC002 SEC004"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003"),
        "UNKNOWN noise": (
            "JIT001"),
        "UNKNOWN not_exercised": (
            "CON002 IDM002 IDM006 JIT002 JIT003 JIT004 OAU003 OBS003"),
        "UNKNOWN undeclared": (
            "CON001 ERR001 ERR004 ERR005 ERR006 IDM003 IDM005 IDM008 IDM009 OBS001 RAF004 "
            "RAF005 TMO001 TMO002 TMO003 TMO004 TMO006 TMO007"),
    },
    "openai": {
        "PASS": (
            "CON001 ERR003 JIT001 JIT002 JIT004 JIT005 OBS001 RAF001 RAF002 RAF003 RTY001 "
            "RTY003 RTY004 RTY006 RTY007 SEC001 SEC005 SEC006 SEC008 TMO001 TMO002 TMO003 "
            "TMO008"),
        "FAIL": (
            "ERR002 ERR005 IDM001 IDM004 IDM007 RTY002 SEC002 SEC004"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003"),
        "UNKNOWN not_exercised": (
            "CON002 IDM006 JIT003 OAU003 OBS003 RTY005"),
        "UNKNOWN undeclared": (
            "ERR001 ERR004 ERR006 IDM002 IDM003 IDM005 IDM008 IDM009 RAF004 RAF005 TMO004 "
            "TMO006 TMO007"),
    },
    "stripe": {
        "PASS": (
            "ERR003 IDM001 IDM002 IDM003 IDM004 IDM005 IDM006 IDM007 IDM008 IDM009 JIT001 "
            "JIT005 OBS001 RAF003 RTY001 RTY004 RTY006 RTY007 SEC001 SEC004 SEC005 SEC006 "
            "SEC008 TMO008"),
        "FAIL": (
            "ERR002 JIT002 RAF001 RAF002 RAF004 RTY002 SEC002"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003"),
        "UNKNOWN not_exercised": (
            "CON002 JIT003 JIT004 OAU003 OBS003 RTY005"),
        "UNKNOWN undeclared": (
            "CON001 ERR001 ERR004 ERR005 ERR006 RAF005 RTY003 TMO001 TMO002 TMO003 TMO004 "
            "TMO006 TMO007"),
    },
    "curl": {
        "PASS": (
            "ERR003 JIT005 RAF001 RAF002 RTY001 RTY002 RTY004 RTY006 RTY007 SEC001 SEC002 "
            "SEC006 SEC008"),
        "FAIL": (
            "ERR002 IDM001 IDM004 IDM007 JIT001 RAF003"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003 SEC004 SEC005"),
        "UNKNOWN not_exercised": (
            "CON001 CON002 IDM006 JIT002 JIT003 JIT004 OAU003 OBS003 RTY005 TMO008"),
        "UNKNOWN undeclared": (
            "ERR001 ERR004 ERR005 ERR006 IDM002 IDM003 IDM005 IDM008 IDM009 OBS001 RAF004 "
            "RAF005 RTY003 TMO001 TMO002 TMO003 TMO004 TMO006 TMO007"),
    },
    "got": {
        "PASS": (
            "ERR003 IDM001 IDM004 IDM007 JIT004 JIT005 RTY001 RTY002 RTY004 RTY006 RTY007 "
            "SEC001 SEC006 SEC008"),
        "FAIL": (
            "ERR002 RAF001 RAF002 RAF003 RAF004 SEC002"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003 SEC004 SEC005"),
        "UNKNOWN noise": (
            "JIT001 JIT002"),
        "UNKNOWN not_exercised": (
            "CON002 IDM002 IDM006 JIT003 OAU003 OBS003 RTY005 TMO008"),
        "UNKNOWN undeclared": (
            "CON001 ERR001 ERR004 ERR005 ERR006 IDM003 IDM005 IDM008 IDM009 OBS001 RAF005 "
            "RTY003 TMO001 TMO002 TMO003 TMO004 TMO006 TMO007"),
    },
    "axios-retry": {
        "PASS": (
            "IDM004 RTY001 RTY003 RTY004 RTY007 SEC001 SEC006 SEC008"),
        "FAIL": (
            "ERR002 ERR003 ERR005 IDM001 IDM007 RAF001 RAF002 RAF003 RAF004 RTY002 RTY006 "
            "SEC002"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003 SEC004 SEC005"),
        "UNKNOWN noise": (
            "JIT002 RTY005"),
        "UNKNOWN not_exercised": (
            "CON002 IDM006 JIT001 JIT003 JIT004 JIT005 OAU003 OBS003 TMO008"),
        "UNKNOWN undeclared": (
            "CON001 ERR001 ERR004 ERR006 IDM002 IDM003 IDM005 IDM008 IDM009 OBS001 RAF005 "
            "TMO001 TMO002 TMO003 TMO004 TMO006 TMO007"),
    },
    "go-retryablehttp": {
        "PASS": (
            "ERR003 JIT005 RAF001 RTY001 RTY003 RTY004 RTY005 RTY007 SEC001 SEC002 SEC008"),
        "FAIL": (
            "ERR002 IDM001 IDM004 IDM007 JIT001 JIT002 RAF002 RAF003 RTY002 RTY006 SEC006"),
        "UNKNOWN capture_missing": (
            "OBS002 SEC003 SEC004 SEC005"),
        "UNKNOWN not_exercised": (
            "CON002 IDM006 JIT003 JIT004 OAU003 OBS003 TMO008"),
        "UNKNOWN undeclared": (
            "CON001 ERR001 ERR004 ERR005 ERR006 IDM002 IDM003 IDM005 IDM008 IDM009 OBS001 "
            "RAF004 RAF005 TMO001 TMO002 TMO003 TMO004 TMO006 TMO007"),
    },
}
FOUND = {name: {code: verdict for verdict, codes in told.items() for code in codes.split()}
         for name, told in _BY_VERDICT.items()}
