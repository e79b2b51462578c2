import { reach } from './redocly-rules.js'

// What makes the document that integrators are handed of the one that is enforced, where Redocly has no decorator for
// it. test/contract/integrators.test.ts holds the two against each other.

/** Option `inputs`: where null counts as left out; types with null in every place make clumsy clients. */
const withoutNull = ({ inputs }) => ({
  RequestBody: {
    MediaType(mediaType, { location, resolve }) {
      reach(resolve, mediaType.schema, location, inputs, (schema, _at, isInput) => {
        if (!isInput || !Array.isArray(schema.type)) return
        const [type, ...others] = schema.type.filter((each) => each !== 'null')
        schema.type = others.length > 0 ? [type, ...others] : type
      })
    },
  },
})

/** A choice of one, after what else there was is gone. */
const withoutLoneChoice = () => ({
  Schema: {
    leave(schema) {
      if (schema.anyOf?.length !== 1) return
      const [only] = schema.anyOf
      delete schema.anyOf
      Object.assign(schema, only)
    },
  },
})

/** A scope is needed by operations, or by a parameter or member alone. */
const withoutUnneededScopes = () => {
  const needed = new Set()
  return {
    SecurityRequirement(requirement) {
      for (const scope of Object.values(requirement).flat()) needed.add(scope)
    },
    Parameter(parameter) {
      needed.add(parameter['x-needs-scope'])
    },
    Schema({ properties = {} }) {
      for (const member of Object.values(properties)) needed.add(member['x-needs-scope'])
    },
    Root: {
      leave({ components }) {
        const { scopes } = components.securitySchemes.accessToken.flows.clientCredentials
        for (const scope of Object.keys(scopes)) if (!needed.has(scope)) delete scopes[scope]
      },
    },
  }
}

export default () => ({
  id: 'handed-out',
  decorators: {
    oas3: {
      'without-null': withoutNull,
      'without-lone-choice': withoutLoneChoice,
      'without-unneeded-scopes': withoutUnneededScopes,
    },
  },
})
