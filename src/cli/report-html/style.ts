import { THEME } from './theme.ts';

const PAGE = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,footer{max-width:1120px;margin:0 auto;padding:0 40px}
main{padding-top:40px}
footer{padding-top:16px;padding-bottom:40px;margin-top:48px;color:var(--muted);font-size:13px}
footer::before{content:"";display:block;border-top:1px solid var(--line);margin-bottom:16px}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.88em;overflow-wrap:anywhere}
small code{font-size:12px}
small{display:block;font-size:13px;color:var(--muted);font-weight:400}
.muted,.note,.lead{color:var(--muted)}
.lead{text-wrap:balance}
.note,.verdict p,.alarm{text-wrap:pretty}
.unknown{color:var(--muted);font-style:italic;font-weight:400}
.good{color:var(--good)}
.bad{color:var(--bad)}
.sr,.definitions{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.narrow,.middle{display:none}
header .kind{margin:0;color:var(--muted);font-size:13px;letter-spacing:.08em;text-transform:uppercase}
h1{margin:2px 0 6px;font-size:34px;line-height:1.15;letter-spacing:-.015em;font-weight:700;overflow-wrap:anywhere}
h1 span{color:var(--muted);font-weight:400}
.meta{display:flex;flex-wrap:wrap;gap:2px 20px;margin:0;font-size:14px}
section{margin-top:52px}
h2{margin:0 0 4px;padding-top:14px;border-top:2px solid var(--text);font-size:20px;line-height:1.3;letter-spacing:-.01em}
.lead{margin:0 0 16px;max-width:96ch;font-size:14px}
.note{margin:10px 0 0;font-size:14px;max-width:96ch;overflow-wrap:anywhere}
h2+.scroll,h2+figure,h2+.facts,h2+.panels{margin-top:14px}
`;

const VERDICT = `
.verdict{display:flex;gap:18px;align-items:flex-start;margin:26px 0 0;padding:20px 24px;border-radius:6px}
.verdict svg{flex:none;fill:none;stroke:currentColor;stroke-width:2.5;stroke-linecap:round;stroke-linejoin:round}
.verdict p{margin:4px 0 0;color:var(--text);max-width:88ch;overflow-wrap:anywhere}
.verdict .statement{margin:0;font-size:25px;line-height:1.3;font-weight:700;letter-spacing:-.01em;color:inherit}
.verdict.good{background:var(--good-soft);color:var(--good)}
.verdict.bad{background:var(--bad-soft);color:var(--bad)}
.verdict.doubtful{background:var(--doubtful-soft);color:var(--doubtful)}
.verdict.open{background:var(--open-soft);color:var(--open)}
.alarm,.calm{margin:12px 0;padding:10px 14px;border-radius:4px;font-size:14px;overflow-wrap:anywhere}
.alarm{background:var(--bad-soft)}
.alarm b{color:var(--bad)}
.calm{background:var(--good-soft)}
.figures{display:grid;grid-template-columns:repeat(4,1fr);margin:26px 0 0;border-top:1px solid var(--line)}
.figures div{padding:14px 18px 14px 0;border-bottom:1px solid var(--line)}
.figures dt{font-size:13px;color:var(--muted)}
.figures dd{margin:0;font-size:24px;line-height:1.3;font-weight:600;letter-spacing:-.01em}
.figures .small{font-size:13px;font-weight:400;letter-spacing:0;color:var(--muted)}
.figures .bad dd:not(.small){color:var(--bad)}
`;

const TABLES = `
.scroll{overflow-x:auto;margin-top:14px}
.scroll:focus-visible{outline:2px solid var(--open);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:7px 0 7px 18px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{padding-left:0}
thead th{padding-top:0;color:var(--muted);font-size:13px;font-weight:400;vertical-align:bottom}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:9em}
.number{text-align:right;white-space:nowrap}
thead .number{white-space:normal}
.fit{width:auto;min-width:min(100%,640px)}
.fit th,.fit td{padding-top:5px;padding-bottom:5px}
.fit .judged{display:inline-block;width:8em;text-align:left;padding-left:.8em}
.compare thead .number:last-child{padding-right:8.6em}
.fit .name{padding-right:12px;overflow-wrap:break-word}
.when{white-space:nowrap}
.error{display:block;min-width:22em;max-width:52em;overflow-wrap:anywhere;white-space:pre-wrap}
.words{overflow-wrap:anywhere;display:block;min-width:14em}
.facts{margin:0}
.facts div{display:grid;grid-template-columns:13em 1fr;gap:0 18px;padding:7px 0;border-bottom:1px solid var(--line);font-size:14px}
.facts dt{color:var(--muted);overflow-wrap:anywhere}
.facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
`;

const CHARTS = `
figure{margin:20px 0 0;break-inside:avoid}
figcaption{display:flex;flex-wrap:wrap;gap:2px 18px;align-items:baseline;margin-bottom:4px;font-size:14px}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0;padding:0;list-style:none;color:var(--muted);font-size:13px}
.legend li{display:flex;align-items:center;gap:6px}
.legend svg{flex:none}
.plot{padding:0 14px 0 48px}
.chart{display:block;overflow:visible;font-size:12px;font-variant-numeric:tabular-nums}
.chart text{fill:var(--muted)}
.axis line{stroke:var(--line);stroke-width:1;shape-rendering:crispEdges}
.marks line{stroke:var(--text);stroke-width:1;stroke-dasharray:2 2}
.chart .marks text{fill:var(--text)}
.done{fill:var(--done)}
.slow{fill:var(--slow)}
.running{fill:var(--running)}
.retried{fill:var(--retried)}
.failed{fill:var(--failed)}
.interrupted{fill:var(--interrupted)}
.idle{fill:var(--soft)}
.over{fill:var(--ground)}
.over-line{stroke:var(--ground);stroke-width:.8}
.bar{stroke:var(--ground);stroke-width:1}
path.bar{vector-effect:non-scaling-stroke}
.bar.running{fill:none;stroke:var(--running);stroke-width:2}
.limit{fill:none;stroke:var(--text);stroke-width:1.5;stroke-dasharray:5 3;vector-effect:non-scaling-stroke}
.hit,.hits{fill:transparent}
.hit:hover,.hits rect:hover{fill:var(--text);fill-opacity:.14}
.mark-ground{fill:var(--ground);stroke:var(--line)}
.mark-retried{stroke:var(--doubtful);stroke-width:2;fill:none}
.mark-interrupted{stroke:var(--muted);stroke-width:2;fill:none}
.mark-over{stroke:var(--ground);stroke-width:2;fill:none}
.mark-slow{fill:var(--slow);stroke:var(--ground);stroke-width:1}
.timeline{table-layout:fixed;font-size:13px}
.timeline th,.timeline td{padding:2px 0;border:0;vertical-align:middle}
.timeline td:nth-child(2),.timeline th:nth-child(2){padding-left:8px;padding-right:8px}
.timeline thead th{vertical-align:bottom}
.timeline tbody th{font-weight:400;min-width:0;white-space:nowrap;overflow:hidden}
.timeline th:first-child{width:176px}
.timeline th:last-child{width:60px;text-align:right}
.timeline td:last-child{text-align:right;white-space:nowrap;color:var(--muted)}
.row{border-radius:2px}
`;

const NARROW = `
@media (max-width:1000px){.wide{display:none}.middle{display:inline}}
@media (max-width:640px){
main,footer{padding-left:16px;padding-right:16px}
main{padding-top:22px}
.wide,.middle,.roomy,.extra{display:none}
.narrow{display:inline}
h1{font-size:27px}
section{margin-top:40px}
.verdict{padding:16px;gap:12px}
.verdict .statement{font-size:20px}
.figures{grid-template-columns:repeat(2,1fr)}
.figures dd{font-size:21px}
.facts div{grid-template-columns:1fr;gap:0}
.plot{padding-left:40px;padding-right:10px}
.timeline th:first-child{width:84px}
.timeline th:last-child{width:50px}
.error{min-width:0}
th,td{padding-left:10px}
tbody th{min-width:0}
.compare thead .number:last-child{padding-right:0}
.fit .judged{display:block;width:auto;padding:0;font-size:13px;text-align:right}
.cards,.cards tbody{display:block}
.cards thead{display:none}
.cards tr{display:grid;align-items:end;grid-template-columns:repeat(auto-fill,minmax(76px,1fr));gap:6px 12px;padding:12px 0;border-bottom:1px solid var(--line)}
.cards th,.cards td{display:block;padding:0;border:0;text-align:left}
.cards th,.cards .text{grid-column:1/-1}
.cards .extra{display:none}
.cards td::before{content:attr(data-label);display:block;white-space:normal;line-height:1.25;font-size:13px;color:var(--muted)}
}
`;

const PAPER = `
@page{margin:14mm 12mm}
@media print{
body{font-size:10pt}
main,footer{max-width:none;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
section{margin-top:26px}
h2,.lead,figcaption{break-after:avoid}
h2{font-size:14pt}
figure,tr,.facts div,.figures div,.verdict{break-inside:avoid}
figure:has(.timeline){break-inside:auto}
.scroll{overflow:visible}
.scroll table{font-size:8pt}
.scroll small,.scroll thead th{font-size:7.5pt}
.scroll th,.scroll td{padding-left:9px}
.scroll tbody th{min-width:0}
.scroll .when,.scroll .error,.scroll .words{white-space:normal;min-width:0}
.hit,.hits{display:none}
}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important;scroll-behavior:auto!important}}
`;

export const STYLE = [THEME, PAGE, VERDICT, TABLES, CHARTS, NARROW, PAPER].join('').replace(/\n+/g, '\n');
