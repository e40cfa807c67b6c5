#!/bin/sh
# Build src/farthing/page/static/echarts.js: the parts of Apache ECharts that our pages draw with, as one file without a module loader.
# Needs node and npm, and the npm registry; only who changes the parts or the version runs it. Same versions in, same bytes out.
#   sh examples/build_charts.sh
set -eu
target=$(cd "$(dirname "$0")/.." && pwd)/src/farthing/page/static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >package.json <<'END'
{
    "private": true,
    "dependencies": { "echarts": "6.1.0", "zrender": "6.1.0", "tslib": "2.3.0", "esbuild": "0.28.2" }
}
END

# Canvas, not SVG: its renderer writes no style attributes, so that a page may forbid them (Content-Security-Policy).
cat >charts.js <<'END'
import { init, use, version } from "echarts/core";
import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, CustomChart, LineChart, ScatterChart]);
use([AriaComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

export { init, version };
END

npm install --silent --no-audit --no-fund
node node_modules/esbuild/install.js
npx esbuild charts.js --bundle --minify --format=iife --global-name=echarts --target=es2020 --legal-comments=none --outfile=bundle.js
{
    echo "/* Apache ECharts 6.1.0 with zrender 6.1.0, in part; built by examples/build_charts.sh. Licences: NOTICE in this folder. */"
    cat bundle.js
} >"$target/echarts.js"
ls -l "$target/echarts.js"
