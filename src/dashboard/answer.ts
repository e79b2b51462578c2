import type { SecondFactorAsked, SignInProblem } from './client.ts'

/** Why something was not done. Without a status, the service was not reached. */
export class Failure extends Error {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly requestId: string | undefined
  /** What a right password is to be followed by. */
  readonly asked: SecondFactorAsked

  constructor(error: unknown, response: Response | undefined) {
    const problem: Partial<SignInProblem> = typeof error === 'object' && error !== null ? error : {}
    super(typeof problem.detail === 'string' ? problem.detail : '')
    this.status = response?.status
    this.code = problem.code
    this.asked = problem
    this.requestId = problem.requestId ?? response?.headers.get('x-request-id') ?? undefined
  }
}

/** The data of an answer. @throws {Failure} */
export async function answered<Data>(
  reply: Promise<{ data?: Data; error?: unknown; response?: Response }>,
): Promise<NonNullable<Data>> {
  const { data, error, response } = await reply
  if (error !== undefined || data === undefined || data === null || response?.ok === false)
    throw error instanceof Failure ? error : new Failure(error, response)
  return data
}
