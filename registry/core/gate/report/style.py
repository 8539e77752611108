"""The look of the page. Blue, orange and ochre are told apart by every eye, and a shape or a word says it again."""

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1d20;--soft:#5b6168;--line:#d9dcdf;--grid:#e6e8ea;--zone:#e7f0f8;
--pass:#0b5fa5;--fail:#b93a0b;--inconclusive:#7a5b00;--plain:#1b1d20}
@media (prefers-color-scheme:dark){:root{--paper:#15181b;--ink:#e7e6e3;--soft:#a3a8ad;--line:#363b40;--grid:#2a2f34;
--zone:#1d2c3b;--pass:#74b6f5;--fail:#ff9166;--inconclusive:#e2b53f;--plain:#e7e6e3}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums lining-nums;overflow-wrap:anywhere}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{margin:0;font-size:3.5rem;line-height:1.05;letter-spacing:-.02em}
h2{margin:3rem 0 .5rem;font-size:1.25rem}
p{margin:.5rem 0;max-width:44rem}
code{font:.92em/1.4 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;unicode-bidi:isolate}
small,.soft{color:var(--soft);font-size:.875rem}
.pass{--own:var(--pass)}.fail{--own:var(--fail)}.inconclusive{--own:var(--inconclusive)}.plain{--own:var(--plain)}
.word{color:var(--own);font-weight:700;white-space:nowrap}
.lead{font-size:1.25rem}
.reasons,.rules{list-style:none;margin:1rem 0;padding:0}
.reasons li{border-left:4px solid var(--own);padding:.1rem 0 .1rem .9rem;margin:.9rem 0}
.rules li{border-top:1px solid var(--line);padding:.7rem 0}
.reasons p,.rules p{margin:.15rem 0}
.facts{display:flex;flex-wrap:wrap;gap:.1rem 1.5rem;margin:.3rem 0 0;font-size:.875rem}
.facts div{display:flex;gap:.4rem}
dt{color:var(--soft)}dd{margin:0}
table{width:100%;border-collapse:collapse;margin:1.5rem 0}
caption{text-align:left;padding:0 0 .4rem}
caption span{color:var(--soft);font-size:.875rem}
th,td{text-align:left;vertical-align:middle;padding:.35rem .75rem .35rem 0;font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th,thead td{color:var(--soft);font-size:.8125rem;border-bottom:1px solid var(--line)}
.list tbody tr{border-bottom:1px solid var(--grid)}
.wide{overflow-x:auto}.list thead th,.list td{overflow-wrap:normal}.list th:first-child{min-width:7rem}
.forest{table-layout:fixed}
.forest th:first-child{width:30%}.forest .told{width:25%}.forest .before{width:11%}
.forest td.told,.forest td.before{font-size:.875rem}
.forest tbody th{font-size:.875rem;line-height:1.3}
.forest tbody th small{display:block;font-size:.8125rem}
.forest .plot{position:relative;padding:0;height:2.1rem}
.forest .plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.forest .plot svg svg{position:static;width:auto;height:auto}
.forest .told,.forest .before{padding-left:.75rem}
.axis td{padding-top:0;padding-bottom:0}
.axis text{font-size:11px;fill:var(--soft);text-anchor:middle}
.zone{fill:var(--zone)}
.grid{stroke:var(--grid)}.zero{stroke:var(--soft)}.tick{stroke:var(--line)}
.threshold{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:2 2}
.interval{stroke:var(--own);stroke-width:2}.way{stroke:var(--soft)}
.mark{fill:var(--own);stroke:var(--paper);stroke-width:1}
.baseline{fill:var(--paper);stroke:var(--soft);stroke-width:1.75}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.875rem;max-width:none}
.legend span{display:inline-flex;align-items:center;gap:.4rem}
.legend>span>svg{width:28px;height:16px;overflow:visible}
.cases{columns:9rem;column-gap:1.25rem;margin:.25rem 0;padding:0;list-style:none;font-size:.875rem}
.digests{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
.digests dd{min-width:0}
pre{margin:.5rem 0;padding:.6rem .8rem;background:var(--zone);white-space:pre-wrap}
summary{cursor:pointer}
@media (max-width:45rem){main{padding:1.25rem 1rem 3rem}h1{font-size:2.75rem}
.forest thead{display:none}.forest caption{display:block}.forest,.forest tbody,.forest tfoot,.forest tr{display:block}
.forest tr{display:grid;grid-template-columns:minmax(45%,1fr) minmax(0,auto);column-gap:.75rem;padding:.5rem 0 0}
.forest th:first-child,.forest .told,.forest .before{width:auto}
.forest tbody th,.forest td.told{padding:0}
.forest td.told{text-align:right;align-self:start}
.forest td.plot{grid-column:1/-1;order:3;height:1.8rem}
.forest td.before{grid-column:1/-1;order:2;padding:0;text-align:right}.forest td.before:empty{display:none}
.forest td.before:not(:empty)::before{content:"served now ";color:var(--soft)}
.axis td:not(.plot){display:none}.forest .axis td.plot{height:1.25rem}
.digests{grid-template-columns:1fr;gap:0}.digests dd{margin-bottom:.4rem}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--grid:#ddd;--zone:#e7f0f8;
--pass:#0b5fa5;--fail:#b93a0b;--inconclusive:#7a5b00;--plain:#000}body{font-size:10.5pt}main{max-width:none;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}tr,.forest,.rules li,.reasons li{break-inside:avoid}
.forest tfoot{display:table-row-group}.axis text{font-size:8px}.forest td.told,.forest td.before{font-size:.75rem}
h2,caption{break-after:avoid}}
"""
