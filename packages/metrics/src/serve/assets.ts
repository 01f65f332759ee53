/// <reference path="../page-assets.d.ts" />
/** The status page: what a browser loads, from the package itself, as it is. Loaded when the first page is opened. */
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import app from "../page/app.js" with { type: "text" };
import chart from "../page/chart.js" with { type: "text" };
import connection from "../page/connection.js" with { type: "text" };
import detail from "../page/detail.js" with { type: "text" };
import format from "../page/format.js" with { type: "text" };
import html from "../page/index.html" with { type: "text" };
import icon from "../page/icon.svg" with { type: "text" };
import list from "../page/list.js" with { type: "text" };
import refresh from "../page/refresh.js" with { type: "text" };
import setText from "../page/set-text.js" with { type: "text" };
import style from "../page/style.css" with { type: "text" };
import timeLine from "../page/time-line.js" with { type: "text" };
import type { Answer } from "./answer.ts";
import { Body } from "./body.ts";

const javascript = "text/javascript; charset=utf-8";
const css = "text/css; charset=utf-8";

export const assets: ReadonlyMap<string, Answer> = new Map([
  asset("/", "text/html; charset=utf-8", html),
  asset("/assets/icon.svg", "image/svg+xml", icon),
  asset("/assets/style.css", css, style),
  asset("/assets/uplot.css", css, uplotCss),
  asset("/assets/uplot.js", javascript, uplot),
  asset("/assets/app.js", javascript, app),
  asset("/assets/chart.js", javascript, chart),
  asset("/assets/connection.js", javascript, connection),
  asset("/assets/detail.js", javascript, detail),
  asset("/assets/format.js", javascript, format),
  asset("/assets/list.js", javascript, list),
  asset("/assets/refresh.js", javascript, refresh),
  asset("/assets/set-text.js", javascript, setText),
  asset("/assets/time-line.js", javascript, timeLine),
]);

function asset(path: string, type: string, content: string): [string, Answer] {
  return [path, { status: 200, type, body: new Body(content) }];
}
