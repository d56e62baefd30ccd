CREATE TABLE "dealer"."ledger_home" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"home" text NOT NULL,
	"since" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ledger_home_one" CHECK ("dealer"."ledger_home"."one")
);
