// A fixture as a process of its own that answers one message after the other.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Child<Question, Answer> {
  pid: number;
  ask(question: Question): Promise<Answer>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** `fixture`: a file of test/fixtures. */
export function startChild<Question extends object, Answer>(
  fixture: string,
  argument: object,
  execArgv: readonly string[] = [],
): Child<Question, Answer> {
  const path = fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url));
  const child: ChildProcess = fork(path, [JSON.stringify(argument)], {
    execArgv: [...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  let turn: Promise<unknown> = Promise.resolve();
  return {
    pid: child.pid as number,
    ask(question) {
      const answer = turn.then(async () => {
        const reply = once(child, 'message');
        child.send(question);
        const [first] = await Promise.race([reply, exited]);
        if (typeof first !== 'object') throw new Error(`${fixture} has ended`);
        return first as Answer;
      });
      turn = answer.catch(() => {});
      return answer;
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
