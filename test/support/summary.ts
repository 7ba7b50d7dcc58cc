// What the report of vitest (its JSON form) and its exit code come to.
export interface Report {
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[];
}

export interface Summary {
  passed: number;
  failed: number;
  /** Tests that exist and did not run: never silently. */
  skipped: string[];
}

/** No report: vitest did not come to its end. */
export function summarize(report: Report | undefined, exitCode: number | null): Summary {
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults);
  const passed = tests.filter((test) => test.status === 'passed').length;
  const brokenFiles = files.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'));
  const failed = tests.filter((test) => test.status === 'failed').length + brokenFiles.length;
  const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed').map((test) => test.fullName);
  const unexplained = failed === 0 && (exitCode !== 0 || passed === 0);
  return { passed, failed: failed + (unexplained ? 1 : 0), skipped };
}
