import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequestHandler } from 'express'
import helmet from 'helmet'
import sirv from 'sirv'

export const dashboardFolder = new URL('../../dist/dashboard', import.meta.url).pathname

// To these sirv gives no charset.
const textTypes: Record<string, string> = { js: 'text/javascript', css: 'text/css' }
const secondsOfAYear = 31_536_000
const filesAt = /^\/(assets\/|favicon\.svg$)/
const notOfTheDashboard = /^\/(v1|docs|\.well-known|healthz|readyz|openapi\.\w+)(\/|$)/

/**
 * Serves the built dashboard: its files, whose names change with their content, and its one page at every address that
 * a browser asks for and that is not one of the others. Undefined when it was not built.
 */
export async function dashboard(
  publicUrl: string,
  others: RequestHandler,
  folder = dashboardFolder,
): Promise<RequestHandler | undefined> {
  if (!existsSync(join(folder, 'index.html'))) return undefined
  const page = await readFile(join(folder, 'index.html'), 'utf8')
  const files = sirv(folder, {
    brotli: true,
    gzip: true,
    etag: true,
    extensions: [],
    setHeaders: (res, path) => {
      const isKept = path.startsWith('/assets/')
      res.setHeader('Cache-Control', isKept ? `public, max-age=${secondsOfAYear}, immutable` : 'no-cache')
      const type = textTypes[path.slice(path.lastIndexOf('.') + 1)]
      if (type) res.setHeader('Content-Type', `${type}; charset=utf-8`)
    },
  })
  const headers = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      // Mantine writes its variables into a style element.
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    strictTransportSecurity: publicUrl.startsWith('https:'),
  })

  const isPage = (accept: string | undefined) => accept?.includes('text/html') === true
  return (req, res, next) => {
    if ((req.method !== 'GET' && req.method !== 'HEAD') || notOfTheDashboard.test(req.path))
      return others(req, res, next)
    const isFile = filesAt.test(req.path)
    if (!isFile && !isPage(req.headers.accept)) return others(req, res, next)
    headers(req, res, (error) => {
      if (error) return next(error)
      if (isFile) return files(req, res, () => next())
      res.set('Cache-Control', 'no-cache').type('html').send(page)
    })
  }
}
