import { Button, PasswordInput, TextInput, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";

import { describe } from "@/components/failure";
import { Icon } from "@/components/icons";
import { Mark } from "@/components/mark";
import { communityQuery } from "@/lib/api/queries";
import type { Community } from "@/lib/api/types";
import { useText, type MessageId } from "@/lib/text";

import { SignInPicture } from "./sign-in-picture";
import { useSignIn } from "./session";
import classes from "./sign-in.module.css";

/** Name and password, or one press on a demo member. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const text = useText();
  const { data: community } = useQuery(communityQuery);
  const signIn = useSignIn();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  // Members first: they are what the demonstration is about.
  const accounts = [...(community?.demo_accounts ?? [])].sort((one, other) => rank(one) - rank(other));

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    signIn.mutate({ username, password }, { onSuccess: onDone });
  };

  return (
    <div className={classes.page}>
      <SignInPicture />
      <main className={classes.main}>
        <p className={classes.brand}>
          <Mark size={34} /> Commonwatt
        </p>
        <h1 className={classes.title}>{community ? text("signIn.title", { name: community.name }) : "\u00a0"}</h1>
        <p className={classes.lead}>{text("signIn.lead")}</p>
        {accounts.length > 0 && (
          <DemoAccounts
            accounts={accounts}
            busy={signIn.isPending ? signIn.variables.username : null}
            onPick={(account) =>
              signIn.mutate({ username: account.username, password: account.password }, { onSuccess: onDone })
            }
          />
        )}
        <form onSubmit={submit} className={classes.form} aria-label={text("signIn.form")}>
          <TextInput
            label={text("signIn.username")}
            autoComplete="username"
            autoCapitalize="none"
            required
            withAsterisk={false}
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
          <PasswordInput
            label={text("signIn.password")}
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {signIn.error && (
            <p className={classes.error} role="alert">
              <Icon name="alarm" size={18} /> {describe(signIn.error, text)}
            </p>
          )}
          <Button type="submit" size="md" fullWidth loading={signIn.isPending} variant={accounts.length > 0 ? "default" : "filled"}>
            {text("session.signIn")}
          </Button>
        </form>
      </main>
    </div>
  );
}

const ROLES: Record<string, MessageId | undefined> = { operator: "role.operator", auditor: "role.auditor" };

const rank = ({ role }: Account) => ["prosumer", "operator", "auditor"].indexOf(role);

type Account = Community["demo_accounts"][number];

interface DemoAccountsProps {
  accounts: readonly Account[];
  busy: string | null;
  onPick: (account: Account) => void;
}

function DemoAccounts({ accounts, busy, onPick }: DemoAccountsProps) {
  const text = useText();
  return (
    <section aria-label={text("signIn.demo")}>
      <p className={classes.demo}>{text("signIn.demo")}</p>
      <ul className={classes.accounts}>
        {accounts.map((account) => {
          const role = ROLES[account.role] ?? "role.prosumer";
          return (
            <li key={account.username}>
              <UnstyledButton
                className={classes.account}
                onClick={() => onPick(account)}
                disabled={busy !== null}
                data-username={account.username}
                data-role={account.role}
              >
                <Icon name={account.role === "prosumer" ? "home" : account.role === "operator" ? "plant" : "bills"} />
                <span>
                  <span className={classes.name}>{account.name}</span>
                  <span className={classes.role}>{busy === account.username ? text("signIn.busy") : text(role)}</span>
                </span>
              </UnstyledButton>
            </li>
          );
        })}
      </ul>
      <p className={classes.or}>
        <span>{text("signIn.or")}</span>
      </p>
    </section>
  );
}
