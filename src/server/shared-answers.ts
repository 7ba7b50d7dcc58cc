// One change goes to ten thousand subscribers, and most of them ask for the same: it is answered once for all who may see the
// same and ask by the same document, and written as text once. Who gets which items, and whether they still may, is looked
// at for every one of them (schema/follow.ts); only the way from an item to its answer is shared.
//
// Held in two generations, so that what is held has a bound and a slow reader still finds what it comes to a little later.
import { createSourceEventStream, type DocumentNode, type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Caller } from '../auth/caller.ts';
import { type Parkable, parkThrough } from '../lib/parkable.ts';
import { createWeightedCache } from '../lib/weighted-cache.ts';
import { type AnswerPlan, planAnswers } from './answer-plan.ts';

const MAX_TEXT_OF_A_GENERATION = 4 * 1024 * 1024;
/** Of an answer, besides its text. */
const OVERHEAD = 500;
const MAX_KEYS_LENGTH = 1024 * 1024;

/** By context, of which every operation has its own. */
const direct = new WeakMap<object, Parkable<ExecutionResult>>();
/** The answers of a subscription as they come, before the pipeline's wrappers, which cost more than to answer. Whoever takes them masks their errors. */
export const directAnswers = (context: object): Parkable<ExecutionResult> | undefined => direct.get(context);

const bytes = new WeakMap<object, Buffer>();
/** The answer as JSON, where it is shared. */
export const sharedBytes = (answer: object): Buffer | undefined => bytes.get(answer);

type Answer = ExecutionResult | Promise<ExecutionResult>;
/** By item, then by group. */
type Generation = Map<object, Map<number, Answer>>;

const isPromise = (answer: Answer | PromiseLike<ExecutionResult>): answer is Promise<ExecutionResult> => 'then' in answer;

export interface SharedAnswersOptions {
  maxTextLength?: number;
}

/** Subscribers that get the same answers have the same number. */
function createGroups(): (args: ExecutionArgs, plan: AnswerPlan) => number {
  const numbers = createWeightedCache<number>({ maxWeight: MAX_KEYS_LENGTH, weigh: (key) => key.length });
  const documents = new WeakMap<DocumentNode, number>();
  let last = 0;
  return ({ document, operationName, variableValues, contextValue }, { variables }) => {
    const { organizationId, scopes } = (contextValue as { caller: Caller }).caller;
    const documentNumber = documents.get(document) ?? documents.set(document, ++last).get(document);
    // A variable that is absent is not one that is null.
    const values = variables.map((name) => (variableValues && name in variableValues ? [variableValues[name]] : []));
    const key = JSON.stringify([documentNumber, operationName ?? null, organizationId, [...scopes].sort(), values]);
    const number = numbers.get(key) ?? ++last;
    numbers.set(key, number);
    return number;
  };
}

export function useSharedAnswers({ maxTextLength = MAX_TEXT_OF_A_GENERATION }: SharedAnswersOptions = {}): Plugin {
  const groupOf = createGroups();
  const plans = new WeakMap<DocumentNode, Map<string, AnswerPlan | null>>();
  let young: Generation = new Map();
  let old: Generation = new Map();
  let youngLength = 0;

  function planOf({ schema, document, operationName }: ExecutionArgs): AnswerPlan | null {
    const ofDocument = plans.get(document) ?? new Map<string, AnswerPlan | null>();
    plans.set(document, ofDocument);
    const name = operationName ?? '';
    const plan = ofDocument.has(name) ? (ofDocument.get(name) ?? null) : planAnswers(schema, document, operationName);
    // Another name than those of the document has been refused by now.
    ofDocument.set(name, plan);
    return plan;
  }

  function keep(item: object, group: number, answer: Answer): void {
    const ofItem = young.get(item) ?? new Map<number, Answer>();
    ofItem.set(group, answer);
    young.set(item, ofItem);
  }
  function forget(item: object, group: number): void {
    for (const generation of [young, old]) {
      const ofItem = generation.get(item);
      ofItem?.delete(group);
      if (ofItem?.size === 0) generation.delete(item);
    }
  }

  function settle(result: ExecutionResult, item: object, group: number): ExecutionResult {
    // Whose fault it is may depend on who asked.
    if (result.errors) {
      forget(item, group);
      return result;
    }
    const text = Buffer.from(JSON.stringify(result));
    bytes.set(result, text);
    keep(item, group, result);
    youngLength += text.length + OVERHEAD;
    if (youngLength > maxTextLength) {
      old = young;
      young = new Map();
      youngLength = 0;
    }
    return result;
  }

  function answerOnce(args: ExecutionArgs, item: object, group: number): Answer {
    const known = young.get(item)?.get(group) ?? old.get(item)?.get(group);
    if (known) return known;
    const answer = execute({ ...args, rootValue: item });
    // Mostly at once: then the many who are woken together by one item find it.
    if (!isPromise(answer)) return settle(answer, item, group);
    const answering = answer.then(
      (result) => settle(result, item, group),
      (error: unknown) => {
        forget(item, group);
        throw error;
      },
    );
    keep(item, group, answering);
    return answering;
  }

  async function subscribe(args: ExecutionArgs, plan: AnswerPlan): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
    const opened = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in opened)) return opened;
    const items = opened[Symbol.asyncIterator]() as Parkable<object>;
    const group = groupOf(args, plan);
    const end = async (): Promise<IteratorReturnResult<undefined>> => {
      await items.return?.();
      return { done: true, value: undefined };
    };
    const { park, nextItem } = parkThrough(items, (item) => {
      const answer = answerOnce(args, item, group);
      return isPromise(answer) ? undefined : answer;
    });
    const answers: Parkable<ExecutionResult> = {
      [Symbol.asyncIterator]: () => answers,
      park,
      async next() {
        const { done, value } = await nextItem();
        return done ? { done: true, value: undefined } : { done: false, value: await answerOnce(args, value, group) };
      },
      return: end,
      async throw(error: unknown) {
        await end();
        throw error;
      },
    };
    direct.set(args.contextValue as object, answers);
    return answers;
  }

  return {
    onSubscribe({ args, setSubscribeFn }) {
      const plan = planOf(args);
      if (plan) setSubscribeFn((given: ExecutionArgs) => subscribe(given, plan));
    },
  };
}
