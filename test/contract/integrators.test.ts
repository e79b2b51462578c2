import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'

// Both documents are checked by redocly before they get here.
const enforced = parse(readFileSync('generated/openapi.yaml', 'utf8'))
const handedOut = parse(readFileSync('generated/integrators.yaml', 'utf8'))

const operationIn = (document: any, id: OperationId): any =>
  document.paths[operations[id].path]?.[operations[id].method.toLowerCase()]
const ids = (Object.keys(operations) as OperationId[]).filter((id) => operationIn(handedOut, id))

describe('what integrators are handed', () => {
  it('answers what is enforced, to the word, and asks for the same credentials', () => {
    for (const id of ids) {
      const [theirs, ours] = [handedOut, enforced].map((document) => {
        const { responses, security } = operationIn(document, id)
        return { responses: whole(document, responses), security }
      })
      expect({ id, ...theirs }).toEqual({ id, ...ours })
    }
  })

  it('has no trace of what it leaves out', () => {
    const text = JSON.stringify(handedOut)
    expect(text).not.toContain('x-internal')
    const { paths, tags, components } = handedOut
    const used = Object.values<any>(paths).flatMap((item) =>
      Object.values<any>(item).flatMap((each) => each.tags ?? []),
    )
    expect(tags.map(({ name }: any) => name)).toEqual([...new Set(used)])
    for (const [kind, named] of Object.entries<any>(components))
      if (kind !== 'securitySchemes')
        for (const name of Object.keys(named)) expect(text).toContain(`"#/components/${kind}/${name}"`)
    const { scopes } = components.securitySchemes.accessToken.flows.clientCredentials
    const needed = ids.flatMap((id) => operations[id].scopes)
    expect(Object.keys(scopes).toSorted()).toEqual([...new Set<string>(needed)].toSorted())
  })
})

/** A part of a document with all that it refers to in place. */
function whole(document: any, node: any): any {
  if (Array.isArray(node)) return node.map((each) => whole(document, each))
  if (typeof node !== 'object' || node === null) return node
  if (typeof node.$ref === 'string') return whole(document, resolved(document, node))
  return Object.fromEntries(Object.entries(node).map(([name, each]) => [name, whole(document, each)]))
}

function resolved(document: any, node: any): any {
  if (!node.$ref) return node
  const names: string[] = node.$ref.slice(2).split('/')
  return names.reduce((at, name) => at[name], document)
}
