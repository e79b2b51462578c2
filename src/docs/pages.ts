import { readFile } from 'node:fs/promises'
import type { RequestHandler } from 'express'
import { parse } from 'yaml'
import { documentPath } from '../http/contract.ts'

/** Serves the contract itself, with the token endpoint of this server in it. */
export async function documentation(publicUrl: string): Promise<RequestHandler> {
  const yaml = (await readFile(documentPath, 'utf8')).replace('tokenUrl: http://localhost:3000/', `tokenUrl: ${publicUrl}/`)
  const pages = new Map([
    ['/openapi.yaml', { type: 'application/yaml', text: yaml }],
    ['/openapi.json', { type: 'application/json', text: JSON.stringify(parse(yaml)) }],
  ])
  return (req, res, next) => {
    const page = pages.get(req.path)
    if (!page || (req.method !== 'GET' && req.method !== 'HEAD')) return next()
    res.type(page.type).send(page.text)
  }
}
