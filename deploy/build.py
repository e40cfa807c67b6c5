"""Make the Grafana dashboard and the alert rules anew: `python deploy/build.py`. A test keeps the committed files equal to what this makes."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

DASHBOARD = HERE / "grafana" / "farthing.json"
ALERTS = HERE / "prometheus" / "alerts.yml"


def files() -> dict[Path, str]:
    """Every file with its text."""
    import alerts
    import dashboard

    return {DASHBOARD: json.dumps(dashboard.model(), indent=1) + "\n", ALERTS: alerts.text()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
        print(f"{path.relative_to(HERE.parent)}: {len(text):,} characters")
