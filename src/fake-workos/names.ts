// Word lists of the living company. Anybody real is a coincidence; the mail domain can exist nowhere (RFC 2606).

export const MAIL_DOMAIN = 'fake-company.example';

export const FIRST_NAMES = (
  'Ada Amara Anders Anika Arjun Beatriz Bruno Carmen Chidi Chloe Daniela Dmitri Elif Elena Emeka Farah Felix Fatima Gabriel Greta Hana Hassan ' +
  'Ines Ivan Jamal Jana Joao Kaia Kenji Lars Leila Lucia Mara Mateo Mei Milan Mira Nadia Nils Noor Olga Omar Paula Petra Priya Quentin Rafael ' +
  'Rosa Samira Sven Tariq Tessa Thabo Uma Viktor Wanda Xenia Yara Yusuf Zoe'
).split(' ');

export const LAST_NAMES = (
  'Abbott Adeyemi Almeida Bauer Becker Bianchi Brandt Castro Chen Costa Dahl Demir Dubois Eriksen Farouk Fischer Garcia Gupta Haddad Hansen ' +
  'Hoffmann Ibrahim Ito Jansen Jovanovic Kaya Keller Kim Kovacs Kumar Larsen Lindqvist Lopez Mahmoud Marino Mbeki Meyer Moreau Nakamura Ndiaye ' +
  'Novak Okafor Olsen Park Pereira Petrov Quinn Ramos Rossi Sato Schmidt Silva Singh Svoboda Tanaka Torres Ueda Vogel Weber Yilmaz'
).split(' ');

export const TEAM_NAMES = 'atlas beacon cobalt delta ember falcon glacier harbor indigo juniper kestrel lantern'
  .split(' ')
  .map((name) => `team-${name}`);

export const TITLES: Readonly<Record<string, readonly string[]>> = {
  engineering: ['Software Engineer', 'Site Reliability Engineer', 'Test Engineer'],
  finance: ['Accountant', 'Financial Analyst', 'Payroll Specialist'],
  people: ['Recruiter', 'People Partner'],
  support: ['Support Engineer', 'Customer Success Manager'],
  sales: ['Account Executive', 'Sales Engineer'],
  contractors: ['Contractor'],
};
