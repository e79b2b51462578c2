import { escaped } from '../html.ts'

/** A page of the documentation around `content`, which is HTML already. */
export function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · CarBuddii integration API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><nav aria-label="Documentation">
<strong>CarBuddii</strong>
<a href="/docs/">Guide</a>
<a href="/docs/in-step/">Keep in step</a>
<a href="/docs/reference/">Reference</a>
<a href="/docs/problems/">Problems</a>
<a href="/docs/security/">Security</a>
<a href="/docs/changelog/">Changelog</a>
<a href="/openapi.yaml">OpenAPI</a>
</nav></header>
<main id="content"><h1>${escaped(title)}</h1>
${content}
</main>
</body>
</html>`
}

/** A listing that is copied as it stands. It scrolls by itself, so it can be reached by keyboard. */
export const code = (text: string): string => `<pre tabindex="0"><code>${escaped(text)}</code></pre>`

/** A table of cells that are HTML already. It scrolls by itself where the page is narrow. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = `<tr>${heads.map((each) => `<th scope="col">${each}</th>`).join('')}</tr>`
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')
  const inner = `<table><thead>${head}</thead><tbody>${body}</tbody></table>`
  return `<div class="table" tabindex="0" role="group" aria-label="Table">${inner}</div>`
}
