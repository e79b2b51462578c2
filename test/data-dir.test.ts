import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  forgetFirstAdmin,
  keptSecretsPath,
  readFirstAdmin,
  readOrMakeSecrets,
  readSecrets,
  writeFirstAdmin,
} from '../src/data-dir.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'cb-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true }))
})
const path = (name: string) => join(dataDir, name)
const put = (name: string, content: string) => writeFileSync(path(name), content)

describe('the secrets', () => {
  it('are made once, for the eyes of their owner, in a folder that may be missing', () => {
    const inside = path('a/b')
    const made = readOrMakeSecrets(inside, false)
    expect(made.map(({ version, bytes }) => [version, bytes.length])).toEqual([['v1', 32]])
    expect(readOrMakeSecrets(inside, false)).toEqual(made)
    expect(readSecrets(inside)).toEqual(made)
    expect([readdirSync(inside), statSync(join(inside, 'secrets')).mode & 0o777]).toEqual([['secrets'], 0o600])
  })

  it('are kept from everybody else, whoever brought them back', () => {
    const made = readOrMakeSecrets(dataDir, false)
    chmodSync(path('secrets'), 0o644)
    expect(readSecrets(dataDir)).toEqual(made)
    expect(statSync(path('secrets')).mode & 0o777).toBe(0o600)
  })

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['empty', '\0\0\0\0'],
  ])('that are %s beside a database that was written with them are asked for, and not made anew', (word, content) => {
    if (content !== undefined) put('secrets', content)
    for (const read of [() => readSecrets(dataDir), () => readOrMakeSecrets(dataDir, true)])
      expect(read).toThrow(`${path('secrets')} is ${word}, and the database was written with what it held. Bring`)
    expect(readdirSync(dataDir)).toEqual(content === undefined ? [] : ['secrets'])
  })

  it.each(['', '\0\0\0\0'])('that a power cut left as %j before anything was written with them are made', (content) => {
    put('secrets', content)
    put('secrets.new', 'v1:half')
    const made = readOrMakeSecrets(dataDir, false)
    expect(readSecrets(dataDir)).toEqual(made)
    expect(readdirSync(dataDir)).toEqual(['secrets'])
  })

  it.each(['v1:short', `v1:${'a'.repeat(42)}`, `${'a'.repeat(43)}`, `v1:${'a'.repeat(43)}\nv1:${'b'.repeat(43)}`])(
    'that are damaged (%j) are left as they are, and not quoted',
    (content) => {
      put('secrets', content)
      for (const isWrittenWith of [false, true]) {
        let message = ''
        try {
          readOrMakeSecrets(dataDir, isWrittenWith)
        } catch (error) {
          message = String(error)
        }
        expect(message).toContain(`${path('secrets')} is damaged`)
        expect(message).not.toContain('aaa')
      }
      expect(readFileSync(path('secrets'), 'utf8')).toBe(content)
    },
  )
})

describe('the database', () => {
  it('is needed by secrets, and not by what a power cut left of them', () => {
    expect(keptSecretsPath(dataDir)).toBeUndefined()
    put('secrets', '\0\0\0\0')
    expect(keptSecretsPath(dataDir)).toBeUndefined()
    readOrMakeSecrets(dataDir, false)
    expect(keptSecretsPath(dataDir)).toBe(path('secrets'))
    put('secrets', 'v1:cut off')
    expect(keptSecretsPath(dataDir)).toBe(path('secrets'))
  })
})

describe('the first admin', () => {
  const admin = { email: 'Admin@dealer.example', password: 'a-password-for-tests' }

  it('is kept for the eyes of the owner until the password is another', () => {
    writeFirstAdmin(dataDir, admin)
    expect([readFirstAdmin(dataDir), statSync(path('first-admin')).mode & 0o777]).toEqual([admin, 0o600])
    forgetFirstAdmin(dataDir, 'somebody@dealer.example')
    expect(readFirstAdmin(dataDir)).toEqual(admin)
    forgetFirstAdmin(dataDir, 'admin@DEALER.example')
    expect(readdirSync(dataDir)).toEqual([])
    forgetFirstAdmin(dataDir, 'admin@DEALER.example')
  })

  it.each(['', '\0\0', '{"email":"admin@dealer.ex', 'null', '[]', '{"email":1,"password":2}'])(
    'is nobody where the file is damaged (%j), which stops nothing',
    (content) => {
      put('first-admin', content)
      expect(readFirstAdmin(dataDir)).toBeUndefined()
      forgetFirstAdmin(dataDir, admin.email)
    },
  )
})
