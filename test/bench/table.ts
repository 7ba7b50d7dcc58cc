// The comparisons of a run as a Markdown table.
import { type Comparison, median } from './scenario.ts';

const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(value < 0.1 ? 2 : 3);

const spread = (values: readonly number[]): string =>
  values.length === 1
    ? number(median(values))
    : `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`;

export interface Verdict {
  ratio: number;
  /** null: there is no goal. */
  met: boolean | null;
}

/** Of medians. */
export function judge({ ours, theirs, goal }: Comparison): Verdict {
  const ratio = median(ours) / median(theirs);
  if (!goal) return { ratio, met: null };
  return { ratio, met: 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost };
}

const goalOf = ({ goal }: Comparison): string => (!goal ? '' : 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`);

export function toMarkdown(rows: readonly { scenario: string; comparison: Comparison }[]): string {
  return [
    '| scenario | measure | unit | ours: median (min–max) | other | theirs: median (min–max) | ratio | goal | met |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ scenario, comparison }) => {
      const { ratio, met } = judge(comparison);
      const { measure, unit, ours, other, theirs } = comparison;
      const verdict = met === null ? '' : met ? 'yes' : 'no';
      return `| ${[scenario, measure, unit, spread(ours), other, spread(theirs), number(ratio), goalOf(comparison), verdict].join(' | ')} |`;
    }),
  ].join('\n');
}
