-- The sandbox tier that a program ran in (kernel, wasm or weak; NULL where it was not recorded: before this version). Not part of the digest.
ALTER TABLE evaluations ADD COLUMN tier VARCHAR;
ALTER TABLE finals ADD COLUMN tier VARCHAR;
