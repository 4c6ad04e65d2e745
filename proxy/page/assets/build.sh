#!/bin/sh
# Builds echarts.min.js and fetches htmx.min.js with their licences. Run it in
# this directory; it needs npm and leaves nothing else behind.
set -eu
here=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund echarts@6.1.0 zrender@6.1.0 htmx.org@4.0.1 esbuild@0.28.2
node node_modules/esbuild/install.js
# zrender writes text with style="…" attributes, which a policy without
# unsafe-inline forbids; the same style set through the object model is allowed.
patch=node_modules/zrender/lib/svg/patch.js
sed -i "s/elm\.setAttribute(key, cur);/key === 'style' ? (elm.style.cssText = cur) : elm.setAttribute(key, cur);/" "$patch"
[ "$(grep -c 'elm.style.cssText = cur' "$patch")" -ge 1 ]
cat >entry.js <<'JS'
import {init, use} from 'echarts/core';
import {BarChart, LineChart} from 'echarts/charts';
import {GridComponent, TooltipComponent, LegendScrollComponent, AriaComponent} from 'echarts/components';
import {SVGRenderer} from 'echarts/renderers';
use([BarChart, LineChart, GridComponent, TooltipComponent, LegendScrollComponent, AriaComponent, SVGRenderer]);
export {init};
JS
npx esbuild entry.js --bundle --minify --format=esm --legal-comments=none \
  --banner:js='/* Apache ECharts 6.1.0, zrender 6.1.0, tslib: see echarts.LICENSE */' --outfile="$here/echarts.min.js"
{
  cat node_modules/echarts/NOTICE
  printf '\n\n'
  cat node_modules/echarts/LICENSE
  printf '\n\n--- zrender ---\n\n'
  cat node_modules/zrender/LICENSE
  printf '\n\n--- tslib ---\n\n'
  cat node_modules/tslib/LICENSE.txt
} >"$here/echarts.LICENSE"
cp node_modules/htmx.org/dist/htmx.min.js "$here/htmx.min.js"
cp node_modules/htmx.org/LICENSE "$here/htmx.LICENSE"
