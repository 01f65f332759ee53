console.error("The demonstration is not written yet.");
process.exit(1);
