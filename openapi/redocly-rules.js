// The house rules of the contract that redocly's own rules and assertions cannot say. test/contract/lint.test.ts sees
// each of them fail.

const statusesDeclared = () => {
  let path = ''
  let isInternalPath = false
  return {
    PathItem: {
      enter(item, { key }) {
        path = String(key)
        isInternalPath = item['x-internal'] === true
      },
      Operation(operation, { key, location, report }) {
        const { scopes, session } = access(operation)
        const isInternal = isInternalPath || operation['x-internal'] === true
        // An anonymous GET may be answered from memory; whatever judges a credential or writes asks the database.
        const asksDatabase = key !== 'get' || scopes !== undefined || session
        const needed = {
          400: true,
          401: scopes !== undefined || session,
          // A key that may be used from some addresses alone is refused from others, whatever it asks for.
          403: scopes !== undefined || session,
          404: path.includes('{'),
          413: operation.requestBody !== undefined,
          415: operation.requestBody !== undefined,
          // What ends a key is always let through.
          429: scopes !== undefined && !isInternal && key !== 'delete',
          500: true,
          503: asksDatabase,
        }
        for (const [status, isNeeded] of Object.entries(needed)) {
          if (isNeeded && !operation.responses?.[status]) {
            report({
              message: `${operation.operationId} must declare ${status}.`,
              location: location.child('responses').key(),
            })
          }
        }
      },
    },
  }
}

const scopeStated = () => ({
  Operation(operation, { location, report }) {
    const { scopes } = access(operation)
    const words =
      scopes === undefined
        ? 'none'
        : scopes.length === 0
          ? 'any access token'
          : scopes.map((scope) => `\`${scope}\``).join(' and ')
    if (!operation.description?.startsWith(`Scope: ${words}`)) {
      report({
        message: `The description must begin with "Scope: ${words}", as \`security\` says.`,
        location: location.child('description'),
      })
    }
  },
})

const challengeDeclared = () => ({
  Operation(operation, { location, report, resolve }) {
    const challenged = access(operation).scopes === undefined ? ['401'] : ['401', '403']
    for (const status of challenged) {
      const response = operation.responses?.[status]
      if (response && !resolve(response).node?.headers?.['WWW-Authenticate']) {
        report({
          message: `${status} must have WWW-Authenticate.`,
          location: location.child(['responses', status]).key(),
        })
      }
    }
  },
})

const freshSignInStated = () => ({
  Operation(operation, { location, report, resolve }) {
    const stated = operation['x-fresh-sign-in']
    const refusal = operation.responses?.['401'] && resolve(operation.responses['401']).node
    const example = refusal?.content?.['application/problem+json']?.examples?.signInTooOld
    if (stated !== undefined && stated !== 'always' && stated !== 'sometimes')
      report({
        message: 'x-fresh-sign-in is `always` or `sometimes`.',
        location: location.child('x-fresh-sign-in').key(),
      })
    else if ((stated !== undefined) !== (example !== undefined && operation.description?.includes('15')))
      report({
        message:
          'What asks for a fresh sign-in has x-fresh-sign-in, a 401 that shows it, and says it; what does not has neither.',
        location: location.child(['responses', '401']).key(),
      })
  },
})

const bodyLimited = () => ({
  Operation(operation, { location, report, resolve }) {
    const bytesMax = operation['x-body-bytes-max']
    if (operation.requestBody === undefined) {
      if (bytesMax !== undefined)
        report({
          message: 'x-body-bytes-max without a request body.',
          location: location.child('x-body-bytes-max').key(),
        })
      return
    }
    if (!(Number.isInteger(bytesMax) && bytesMax > 0)) {
      report({ message: 'A request body needs x-body-bytes-max.', location: location.child('requestBody').key() })
    }
    // Left out, the validator answers 415 to a request without a body.
    if (typeof resolve(operation.requestBody).node?.required !== 'boolean') {
      report({ message: 'A request body must state `required`.', location: location.child('requestBody').key() })
    }
  },
})

const examplesNamed = () => ({
  MediaType(mediaType, { location, report, resolve }) {
    const examples = Object.entries(mediaType.examples ?? {})
    if (examples.length === 0) report({ message: 'A media type needs named examples.', location: location.key() })
    for (const [name, reference] of examples) {
      const example = resolve(reference).node
      if (!example?.summary || example.value === undefined) {
        report({
          message: 'An example needs a summary and a value.',
          location: location.child(['examples', name]).key(),
        })
      }
    }
  },
})

const schemasNamed = () => ({
  MediaType(mediaType, { location, report }) {
    if (!mediaType.schema?.$ref)
      report({
        message: 'The schema of a media type must be a named component.',
        location: location.child('schema').key(),
      })
  },
  Schema(schema, { location, report }) {
    for (const [path, child] of children(schema)) {
      if (hasType(child, 'object') || child.properties) {
        report({ message: 'An object schema must be a named component.', location: location.child(path).key() })
      }
    }
  },
})

const schemaTyped = () => ({
  Schema(schema, { location, report }) {
    const combined = schema.allOf ?? schema.anyOf ?? schema.oneOf
    if (typeof schema === 'object' && !schema.type && !combined)
      report({ message: 'A schema must say its type.', location: location.key() })
  },
})

const stringBounded = bounded('A string needs maxLength.', (schema) => {
  const listed = schema.enum ?? schema.const
  return hasType(schema, 'string') && schema.maxLength === undefined && listed === undefined && !isMeasured(schema)
})

// A time has its length by its format and bytes theirs by `x-body-bytes-max`; generators fail on one beside it.
const isMeasured = ({ format }) => format === 'date-time' || format === 'binary'

const lengthOfTextAlone = () => ({
  Schema(schema, { location, report }) {
    if (isMeasured(schema) && (schema.minLength ?? schema.maxLength) !== undefined)
      report({ message: `A length with \`format: ${schema.format}\` breaks clients.`, location: location.key() })
  },
})

const arrayBounded = bounded(
  'An array needs maxItems.',
  (schema) => hasType(schema, 'array') && schema.maxItems === undefined,
)

const numberBounded = bounded('A number needs minimum and maximum.', (schema) => {
  const isNumber = hasType(schema, 'integer') || hasType(schema, 'number')
  const listed = schema.enum ?? schema.const
  return isNumber && listed === undefined && (schema.minimum === undefined || schema.maximum === undefined)
})

const numberFormatted = () => ({
  Schema(schema, { location, report }) {
    const isWide = Math.max(-schema.minimum, schema.maximum) > 2 ** 31 - 1
    const format = hasType(schema, 'number') ? 'double' : isWide ? 'int64' : 'int32'
    const isNumber = /^(integer|number)$/.test(
      [schema.type]
        .flat()
        .filter((type) => type !== 'null')
        .join(),
    )
    if (isNumber && schema.format !== format && schema.enum === undefined)
      report({ message: `This number needs \`format: ${format}\`.`, location: location.key() })
  },
})

/** Option `open`: the inputs that are bounded by the size of their body alone, with all that they reach. */
function bounded(message, isUnbounded) {
  return ({ open }) =>
    outside(open, (schema, location, found) => {
      if (isUnbounded(schema)) found(message, location.key())
    })
}

/** Option `open`: the inputs that stay open, with all that they reach. They must not be closed, the others must. */
const inputClosed = ({ open }) => ({
  RequestBody: {
    MediaType(mediaType, { location, report, resolve }) {
      const wrong = (schema, isOpen) => hasType(schema, 'object') && (schema.additionalProperties === false) === isOpen
      reach(resolve, mediaType.schema, location, open, (schema, at, isOpen) => {
        if (wrong(schema, isOpen))
          report({ message: `This input object must be ${isOpen ? 'open' : 'closed'}.`, location: at.key() })
      })
    },
  },
})

/** Option `open`: the inputs whose times are kept as people sent them, with all that they reach. */
const timesFormatted = ({ open }) =>
  outside(open, (schema, location, found) => {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (/[a-z]At$/.test(name) && property.format !== 'date-time')
        found('A time needs `format: date-time`.', location.child(['properties', name]).key())
    }
  })

const pathParameterAnchored = () => ({
  Parameter(parameter, { location, report, resolve }) {
    if (parameter.in !== 'path') return
    // Not anchored, the pattern lets %00 through to the database.
    if (!/^\^.*\$$/.test(resolve(parameter.schema).node?.pattern ?? '')) {
      report({ message: 'A path parameter needs a pattern from ^ to $.', location: location.child('schema').key() })
    }
  },
})

// PHP sends what is the default as well, and a boolean as 0 or 1, which is none.
const queryBooleanBare = () => ({
  Parameter(parameter, { location, report, resolve }) {
    const schema = resolve(parameter.schema).node
    if (parameter.in === 'query' && hasType(schema ?? {}, 'boolean') && schema.default !== undefined)
      report({ message: 'A boolean in a query has no default.', location: location.child('schema').key() })
  },
})

const mayGrow = 'More may come'
const staysSo = 'No others will come'

/**
 * Whether values may be added later is said of every list of them. In answers those to which more may come stand in
 * `x-extensible-enum`: by `enum` clients refuse what they do not know. In requests they stand in `enum`, so that the
 * validator refuses what the service does not know.
 */
const growthStated = () => {
  const values = new Map()
  const requested = new Map()
  const answered = new Map()
  const reached = (from, resolve, schema, location) =>
    reach(resolve, schema, location, [], (node, at) => from.set(node, at))
  return {
    Schema(schema, { location }) {
      const listed = schema['x-extensible-enum'] ?? schema.enum ?? (schema.const === undefined ? [] : [schema.const])
      if (listed.length > 0) values.set(schema, { listed, location })
    },
    RequestBody: {
      MediaType: ({ schema }, { location, resolve }) => reached(requested, resolve, schema, location),
    },
    Parameter: ({ schema }, { location, resolve }) => reached(requested, resolve, schema, location),
    Response: {
      MediaType: ({ schema }, { location, resolve }) => reached(answered, resolve, schema, location),
      Header: ({ schema }, { location, resolve }) => reached(answered, resolve, schema, location),
    },
    Root: {
      leave(_root, { report }) {
        for (const [schema, { listed, location }] of values) {
          const { description: text = '', 'x-extensible-enum': extensible } = schema
          const description = text.replaceAll(/\s+/g, ' ')
          const wrong = (message) => report({ message, location: location.key() })
          const grows = description.includes(mayGrow)
          if (grows === description.includes(staysSo)) wrong(`The description must say "${mayGrow}." or "${staysSo}."`)
          const unsaid = listed.filter((value) => !description.includes(`\`${value}\``))
          if (unsaid.length > 0) wrong(`The description must say what these values mean: ${unsaid.join(', ')}.`)
          if (extensible && requested.has(schema)) wrong('In requests the values stand in `enum`.')
          if (!extensible && answered.has(schema) && grows) wrong('In answers these values stand in x-extensible-enum.')
          if (extensible && !grows) wrong('x-extensible-enum is for values to which more may come.')
        }
      },
    },
  }
}

// Generators name types and files after schemas and schemes, and some languages and file systems pass over case.
const namesApart = () => ({
  Components({ schemas = {}, securitySchemes = {} }, { location, report }) {
    const names = new Map()
    for (const [kind, named] of Object.entries({ schemas, securitySchemes })) {
      for (const name of Object.keys(named)) {
        const other = names.get(name.toLowerCase())
        if (other)
          report({
            message: `${name} differs from ${other} by case alone.`,
            location: location.child([kind, name]).key(),
          })
        names.set(name.toLowerCase(), name)
      }
    }
  },
})

const described = () => {
  const needed = (name) => `${name} needs a description that says more than its name.`
  return {
    Schema(schema, { location, report, resolve }) {
      const [, name] = /^#\/(?:components\/schemas\/)?([^/]+)$/.exec(location.pointer) ?? []
      if (name && saysNothing(name, schema)) report({ message: needed(name), location: location.key() })
      for (const [property, child] of Object.entries(schema.properties ?? {}))
        if (saysNothing(property, resolve(child).node))
          report({ message: needed(property), location: location.child(['properties', property]).key() })
    },
    Parameter(parameter, { location, report }) {
      if (saysNothing(parameter.name, parameter)) report({ message: needed(parameter.name), location: location.key() })
    },
  }
}

/** Whether a description has no more than a word that is not in the name, articles and the like aside. */
function saysNothing(name, { description = '' } = {}) {
  const words = (text) => text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  const known = new Set([
    ...words(name.replaceAll(/(?=[A-Z])/g, ' ')),
    ...words('a an the of its is this one it to for'),
  ])
  return words(description).filter((word) => !known.has(word)).length < 2
}

const parameterExemplified = () => ({
  Parameter(parameter, { location, report }) {
    if (parameter.example === undefined && parameter.examples === undefined)
      report({ message: 'A parameter needs an example.', location: location.key() })
  },
})

/** A scope that guards nothing would be granted, shown and chosen without meaning anything. */
const scopeUsed = () => {
  const used = new Set()
  let stated
  return {
    Operation(operation) {
      for (const scope of access(operation).scopes ?? []) used.add(scope)
    },
    Parameter(parameter) {
      used.add(parameter['x-needs-scope'])
    },
    Schema(schema) {
      for (const member of Object.values(schema.properties ?? {})) used.add(member['x-needs-scope'])
    },
    SecurityScheme(scheme, { location }) {
      const scopes = scheme.flows?.clientCredentials?.scopes
      if (scopes) stated = { scopes, location: location.child(['flows', 'clientCredentials', 'scopes']) }
    },
    Root: {
      leave(_root, { report }) {
        for (const scope of Object.keys(stated?.scopes ?? {}))
          if (!used.has(scope))
            report({ message: `${scope} guards nothing.`, location: stated.location.child(scope).key() })
        for (const scope of used)
          if (scope !== undefined && stated && !Object.hasOwn(stated.scopes, scope))
            report({ message: `${scope} is not a scope of the document.`, location: stated.location.key() })
      },
    },
  }
}

/** What is left out of some answers cannot be required. */
const guardedOptional = () => ({
  Schema(schema, { location, report }) {
    for (const [name, member] of Object.entries(schema.properties ?? {}))
      if (member['x-needs-scope'] !== undefined && schema.required?.includes(name))
        report({
          message: `${name} needs a scope of its own, so it must not be required.`,
          location: location.child('required'),
        })
  },
})

/** The scopes of an operation that takes an access token, and whether it takes a session. */
function access({ security = [] }) {
  return {
    scopes: security.find((alternative) => alternative.accessToken)?.accessToken,
    session: security.some((alternative) => alternative.session),
  }
}

function hasType(schema, type) {
  return [schema.type].flat().includes(type)
}

/** The schemas right inside a schema, each with its place. */
function children(schema) {
  const named = Object.entries(schema.properties ?? {}).map(([name, child]) => [['properties', name], child])
  const single = ['items', 'additionalProperties', 'not']
    .filter((key) => schema[key] instanceof Object)
    .map((key) => [[key], schema[key]])
  const several = ['allOf', 'anyOf', 'oneOf'].flatMap((key) =>
    (schema[key] ?? []).map((child, index) => [[key, index], child]),
  )
  return [...named, ...single, ...several]
}

/**
 * Reports what `judge(schema, location, found)` finds in all schemas but those that the inputs named in `open` reach.
 */
function outside(open, judge) {
  const inside = new Set()
  const findings = []
  return {
    RequestBody: {
      MediaType(mediaType, { location, resolve }) {
        reach(resolve, mediaType.schema, location, open, (schema, _at, isOpen) => isOpen && inside.add(schema))
      },
    },
    Schema(schema, { location }) {
      judge(schema, location, (message, at) => findings.push({ schema, message, location: at }))
    },
    Root: {
      leave(_root, { report }) {
        for (const { schema, message, location } of findings) if (!inside.has(schema)) report({ message, location })
      },
    },
  }
}

/**
 * Calls `visit(schema, location, isOpen)` for all that a schema reaches; `isOpen` from a component named in `open`
 * downwards.
 */
export function reach(resolve, schema, location, open, visit, isOpen = false, seen = new Set()) {
  const { node, location: at = location } = schema?.$ref
    ? resolve(schema, location.source.absoluteRef)
    : { node: schema }
  if (!node || seen.has(node)) return
  seen.add(node)
  const isOpenHere = isOpen || open.includes(schema.$ref?.split('/').pop())
  visit(node, at, isOpenHere)
  for (const [path, child] of children(node)) reach(resolve, child, at.child(path), open, visit, isOpenHere, seen)
}

export default () => ({
  id: 'carbuddii',
  rules: {
    oas3: {
      'statuses-declared': statusesDeclared,
      'scope-stated': scopeStated,
      'challenge-declared': challengeDeclared,
      'fresh-sign-in-stated': freshSignInStated,
      'body-limited': bodyLimited,
      'examples-named': examplesNamed,
      'schemas-named': schemasNamed,
      'schema-typed': schemaTyped,
      'string-bounded': stringBounded,
      'array-bounded': arrayBounded,
      'number-bounded': numberBounded,
      'input-closed': inputClosed,
      'times-formatted': timesFormatted,
      'path-parameter-anchored': pathParameterAnchored,
      'scope-used': scopeUsed,
      'guarded-optional': guardedOptional,
      'length-of-text-alone': lengthOfTextAlone,
      'number-formatted': numberFormatted,
      'query-boolean-bare': queryBooleanBare,
      'growth-stated': growthStated,
      'names-apart': namesApart,
      described,
      'parameter-exemplified': parameterExemplified,
    },
  },
})
