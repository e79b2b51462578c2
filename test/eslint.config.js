import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'
import ts from 'typescript'

// Faults only: nothing about looks, and nothing that the compiler finds by itself.
const anywhere = {
  'array-callback-return': 'error',
  eqeqeq: 'error',
  // Prettier leaves comments as they are.
  'max-len': ['error', { code: 10_000, comments: 120, ignoreUrls: true }],
  'no-constant-binary-expression': 'error',
  'no-constant-condition': 'error',
  'no-control-regex': 'error',
  'no-debugger': 'error',
  'no-empty': 'error',
  'no-empty-character-class': 'error',
  'no-fallthrough': 'error',
  'no-loss-of-precision': 'error',
  'no-misleading-character-class': 'error',
  'no-self-assign': 'error',
  'no-self-compare': 'error',
  'no-template-curly-in-string': 'error',
  'no-unsafe-finally': 'error',
  'no-useless-assignment': 'error',
  'no-useless-catch': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
}

const typed = {
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/no-base-to-string': 'error',
  // A query of knex is a thenable, not a promise: one that nobody awaits never reaches the database.
  '@typescript-eslint/no-floating-promises': ['error', { checkThenables: true }],
  '@typescript-eslint/no-for-in-array': 'error',
  '@typescript-eslint/no-implied-eval': 'error',
  '@typescript-eslint/no-import-type-side-effects': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-unused-expressions': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
  '@typescript-eslint/require-array-sort-compare': 'error',
  '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
}

const shipped = {
  '@typescript-eslint/no-explicit-any': 'error',
  'no-eval': 'error',
  'no-new-func': 'error',
  'no-script-url': 'error',
  // For the word "undefined" in an address, a path or a message.
  '@typescript-eslint/restrict-template-expressions': ['error', { allow: ['unknown'], allowNullish: false }],
}

/** A Date made of a text that came from outside may be none, or one in the zone of this machine. */
const timesRead = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const { getTypeAtLocation } = context.sourceCode.parserServices
    const isText = (node) => {
      const type = getTypeAtLocation(node)
      return (type.isUnion() ? type.types : [type]).some(
        ({ flags }) => flags & (ts.TypeFlags.StringLike | ts.TypeFlags.Any),
      )
    }
    const check = (node) => {
      const [first, ...others] = node.arguments
      if (first && others.length === 0 && first.type !== 'SpreadElement' && isText(first))
        context.report({ node, message: 'Times in texts are read by momentOf in src/moment.ts.' })
    }
    return {
      'NewExpression[callee.name="Date"]': check,
      'CallExpression[callee.object.name="Date"][callee.property.name="parse"]': check,
    }
  },
}

export default defineConfig(
  // The two generated clients are outside tsconfig.json too.
  { ignores: ['test/contract/clients/programs'] },
  {
    plugins: { '@typescript-eslint': tseslint.plugin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: anywhere,
  },
  {
    files: ['**/*.{ts,tsx}'],
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } },
    rules: typed,
  },
  { files: ['openapi/**/*.ts', 'src/**/*.{ts,tsx}'], rules: shipped },
  {
    files: ['src/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          'JSXAttribute[name.name=/^(max|min)Length$/] > JSXExpressionContainer > Literal',
          'ObjectPattern AssignmentPattern[left.name="limit"] > Literal.right',
          'CallExpression[callee.property.name="slice"][arguments.0.value=0] > Literal.arguments[value>31]',
        ].map((selector) => ({ selector, message: 'The contract says this number: take it from limits.gen.ts.' })),
        ...[
          'JSXAttribute[name.name="dangerouslySetInnerHTML"]',
          'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|srcdoc)$/]',
        ].map((selector) => ({ selector, message: 'What people wrote is shown as text.' })),
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    // The last three read what the service wrote; time.ts reads what people typed.
    ignores: ['src/moment.ts', 'src/leads/time.ts', 'src/client/**', 'src/cli/**', 'src/dashboard/**'],
    plugins: { carbuddii: { rules: { 'times-read': timesRead } } },
    rules: { 'carbuddii/times-read': 'error' },
  },
  { files: ['src/**'], ignores: ['src/main.ts', 'src/cli/**', 'src/docs/dms.mjs'], rules: { 'no-console': 'error' } },
)
