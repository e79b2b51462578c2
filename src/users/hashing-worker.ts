import { answerWith } from '../thread.ts'
import { hashPasswordSync, isPasswordSync } from './argon2.ts'

export interface Hashed {
  password: string
  /** Left out, the password is hashed; otherwise compared with it. */
  passwordHash?: string | null
}

answerWith<Hashed, string | boolean>(({ password, passwordHash }) =>
  passwordHash === undefined ? hashPasswordSync(password) : isPasswordSync(passwordHash, password),
)
