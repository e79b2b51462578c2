import { hash } from 'node:crypto'
import { createRequire } from 'node:module'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import compression from 'compression'
import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { parse } from 'yaml'
import { isNamedBy } from '../entity-tag.ts'
import { escaped } from '../html.ts'
import { methodNotAllowed, type ProblemCode, problems } from '../problem.ts'
import { changelog } from './changelog.ts'
import { guide } from './guide.ts'
import { inStep } from './in-step.ts'
import { page, table } from './page.ts'
import { advice } from './problem-pages.ts'
import { security, securityTxt } from './security.ts'

type Page = { type: string; content: string | Buffer; isForAll?: true } | { redirect: string }

const documentPath = new URL('../../generated/integrators.yaml', import.meta.url)
const changelogPath = new URL('../../generated/changelog.yaml', import.meta.url)
// Where the document says that the service is, as long as nobody serves it.
const addressInDocument = 'http://localhost:3000'

/**
 * Serves what integrators are handed of the contract, the guides, the changelog, a page for each problem, what is
 * promised of safety, and the reference. Everything is made once, at start; nothing comes from outside.
 */
export async function documentation(publicUrl: string, securityContact?: string): Promise<RequestHandler> {
  const yaml = (await readFile(documentPath, 'utf8')).replaceAll(addressInDocument, () => publicUrl)
  const document = parse(yaml)
  const program = await readFile(new URL('dms.mjs', import.meta.url), 'utf8')
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  const html = (content: string): Page => ({ type: 'html', content })
  const pages = new Map<string, Page>([
    ['/', { redirect: '/docs/' }],
    ['/docs', { redirect: '/docs/' }],
    ['/docs/', html(guide(publicUrl, document.components.securitySchemes.accessToken.flows.clientCredentials.scopes))],
    ['/docs/style.css', { type: 'css', content: await readFile(new URL('style.css', import.meta.url)) }],
    ['/docs/in-step', { redirect: '/docs/in-step/' }],
    ['/docs/in-step/', html(inStep(publicUrl, program))],
    ['/docs/in-step/dms.mjs', { type: 'js', content: program }],
    ['/docs/changelog', { redirect: '/docs/changelog/' }],
    ['/docs/changelog/', html(changelog(parse(await readFile(changelogPath, 'utf8'))))],
    ['/docs/security', { redirect: '/docs/security/' }],
    ['/docs/security/', html(security(securityContact))],
    ['/docs/problems', { redirect: '/docs/problems/' }],
    ['/docs/problems/', html(problemIndex())],
    ...codes.map((code): [string, Page] => [`/docs/problems/${code}`, html(problemPage(code))]),
    ['/docs/reference', { redirect: '/docs/reference/' }],
    ['/docs/reference/', html(reference)],
    ['/docs/reference/init.js', { type: 'js', content: initialise }],
    ['/docs/reference/swagger-ui.css', { type: 'css', content: await readFile(join(swagger, 'swagger-ui.css')) }],
    [
      '/docs/reference/swagger-ui-bundle.js',
      { type: 'js', content: await readFile(join(swagger, 'swagger-ui-bundle.js')) },
    ],
    ['/openapi.yaml', { type: 'application/yaml', content: yaml, isForAll: true }],
    ['/openapi.json', { type: 'application/json', content: JSON.stringify(document), isForAll: true }],
  ])
  if (securityContact !== undefined)
    pages.set('/.well-known/security.txt', {
      type: 'txt',
      content: securityTxt(publicUrl, securityContact, new Date()),
    })
  const headers = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      // Swagger UI writes style attributes.
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        objectSrc: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    strictTransportSecurity: publicUrl.startsWith('https:'),
  })
  // Everything here is text, also what the library does not know.
  const compressed = compression({ filter: () => true })
  // Weak: compressed or not, it is the same page.
  const entityTags = new Map(
    [...pages.values()].map((each) => [each, 'content' in each ? `W/"${hash('sha256', each.content)}"` : '']),
  )

  return (req, res, next) => {
    const found = pages.get(req.path)
    if (!found) return next()
    if (req.method !== 'GET' && req.method !== 'HEAD') throw methodNotAllowed(['GET', 'HEAD'])
    compressed(req, res, () =>
      headers(req, res, (error) => {
        if (error) return next(error)
        if ('redirect' in found) return res.redirect(found.redirect)
        const { type, content, isForAll } = found
        if (isForAll) res.set({ 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' })
        const tag = entityTags.get(found) ?? ''
        res.set({ 'Cache-Control': 'no-cache', ETag: tag })
        if (isNamedBy(req.headers['if-none-match'], tag)) res.status(304).end()
        else res.type(type).send(content)
      }),
    )
  }
}

// The cast: the keys of the catalogue are its codes.
const codes = Object.keys(problems) as ProblemCode[]

function problemIndex(): string {
  const rows = codes.map((code) => [
    String(problems[code].status),
    `<a href="/docs/problems/${code}">${code}</a>`,
    escaped(problems[code].title),
  ])
  const content = [
    '<p>Every failure is a problem (RFC 9457) with a code that never changes.',
    'The token endpoint answers OAuth errors instead.</p>',
    table(['Status', 'Code', 'Title'], rows),
  ]
  return page('Problems', content.join('\n'))
}

function problemPage(code: ProblemCode): string {
  const { status, title, detail } = problems[code]
  const content = [
    `<p><code>${code}</code>, status ${status}</p>`,
    `<p>${escaped(detail)}</p>`,
    '<h2>What to do</h2>',
    `<p>${escaped(advice[code])}</p>`,
    '<p><a href="/docs/problems/">All problems</a></p>',
  ]
  return page(title, content.join('\n'))
}

const reference = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference</title>
<link rel="stylesheet" href="/docs/reference/swagger-ui.css">
</head>
<body>
<main id="swagger"></main>
<script src="/docs/reference/swagger-ui-bundle.js"></script>
<script src="/docs/reference/init.js"></script>
</body>
</html>`

// All that the page sends is for this server, under whatever address it was opened: the token endpoint of the contract
// names only one of them, and the policy above lets nothing out to another. Keys and tokens are kept in the page alone,
// and go with it. Of the dialect, which other tools need to be told, Swagger UI would only say in red that it does not
// know it; it is the one it uses.
const initialise = `const toThisServer = (request) => {
  const { pathname, search } = new URL(request.url, location.href)
  return Object.assign(request, { url: location.origin + pathname + search })
}
const withoutDialect = { components: { JsonSchemaDialect: () => null } }
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
  showExtensions: true,
  requestInterceptor: toThisServer,
  plugins: [withoutDialect],
})`
