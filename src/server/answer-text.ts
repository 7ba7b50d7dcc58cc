/** JSON text that is written from its beginning to its end, with gaps for what is there later. */
export interface AnswerText {
  /** After the last gap. */
  text: string;
  before: (string | AnswerText)[] | undefined;
}

export const newText = (): AnswerText => ({ text: '', before: undefined });

/** To be written when it can be. */
export function leaveGap(out: AnswerText): AnswerText {
  const gap = newText();
  out.before ??= [];
  out.before.push(out.text, gap);
  out.text = '';
  return gap;
}

export function joined({ text, before }: AnswerText): string {
  if (before === undefined) return text;
  let all = '';
  for (const part of before) all += typeof part === 'string' ? part : joined(part);
  return all + text;
}
