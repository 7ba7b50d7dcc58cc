// How the parts of a compiled query (compile-query.ts) write a value as JSON, now or when it is there.
import type { GraphQLLeafType, GraphQLObjectType, GraphQLResolveInfo } from 'graphql';
import type { Context } from '../../schema/context.ts';
import { type AnswerText, leaveGap } from './answer-text.ts';

export type Path = GraphQLResolveInfo['path'] | undefined;
export type Values = Record<string, unknown>;

/** One execution. */
export interface Job {
  context: Context;
  variables: Values;
  /** Promises that are waited for. */
  pending: number;
  /** When there is none any more. */
  done: () => void;
  fail: (error: unknown) => void;
}

/** Writes a value that is there. `path`: of the value; absent where no resolver below asks for it. */
export type Complete = (value: unknown, path: Path, job: Job, info: GraphQLResolveInfo | undefined, out: AnswerText) => void;

export interface Part {
  complete: Complete;
  /** Whether a resolver below is told its path. */
  resolves: boolean;
  /** Whether all below shows nothing but the value. */
  ofTheItem: boolean;
}

export interface PlannedField {
  /** In JSON, with the colon. */
  key: string;
  write(source: unknown, path: Path, job: Job, out: AnswerText): void;
  resolves: boolean;
  ofTheItem: boolean;
}

export const NO_WHOLE_ANSWER = new Error('no whole answer');

export const nonNull =
  ({ complete }: Part): Complete =>
  (value, path, job, info, out) => {
    if (value == null) throw NO_WHOLE_ANSWER;
    complete(value, path, job, info, out);
  };

export const leaf =
  (type: GraphQLLeafType): Complete =>
  (value, _path, _job, _info, out) => {
    if (value == null) {
      out.text += 'null';
      return;
    }
    if (value instanceof Error) throw value;
    const text = JSON.stringify(type.serialize(value) ?? undefined);
    if (text === undefined) throw NO_WHOLE_ANSWER;
    out.text += text;
  };

export const list =
  ({ complete, resolves }: Part): Complete =>
  (value, path, job, info, out) => {
    if (value == null) {
      out.text += 'null';
      return;
    }
    if (!Array.isArray(value)) throw NO_WHOLE_ANSWER;
    out.text += '[';
    for (let index = 0; index < value.length; index += 1) {
      if (index > 0) out.text += ',';
      const own = resolves ? { prev: path, key: index, typename: undefined } : undefined;
      settle(value[index], complete, own, job, info, out);
    }
    out.text += ']';
  };

export const object =
  (type: GraphQLObjectType, planned: readonly PlannedField[]): Complete =>
  (value, path, job, info, out) => {
    if (value == null) {
      out.text += 'null';
      return;
    }
    if (value instanceof Error) throw value;
    if (type.isTypeOf && (!info || type.isTypeOf(value, job.context, info) !== true)) throw NO_WHOLE_ANSWER;
    writeFields(planned, value, path, job, out);
  };

export function writeFields(planned: readonly PlannedField[], source: unknown, path: Path, job: Job, out: AnswerText): void {
  for (let index = 0; index < planned.length; index += 1) {
    const field = planned[index] as PlannedField;
    out.text += index === 0 ? '{' : ',';
    out.text += field.key;
    field.write(source, path, job, out);
  }
  out.text += '}';
}

/** Writes the completed value, now or when it is there. */
export function settle(
  value: unknown,
  complete: Complete,
  path: Path,
  job: Job,
  info: GraphQLResolveInfo | undefined,
  out: AnswerText,
): void {
  if (isPromise(value)) later(value, complete, path, job, info, leaveGap(out));
  else complete(value, path, job, info, out);
}

/** Apart from `settle`: what closures refer to is kept for every call of the function around them, whether it makes them or not. */
function later(
  value: Promise<unknown>,
  complete: Complete,
  path: Path,
  job: Job,
  info: GraphQLResolveInfo | undefined,
  gap: AnswerText,
): void {
  job.pending += 1;
  value
    .then((settled) => {
      complete(settled, path, job, info, gap);
      job.pending -= 1;
      if (job.pending === 0) job.done();
    })
    .catch((error: unknown) => job.fail(error));
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
