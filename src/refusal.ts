/**
 * Why the service does not start, in one sentence for whoever operates it. A class, since it has to be an `Error`; its
 * stack says nothing to them.
 */
export class Refusal extends Error {}
