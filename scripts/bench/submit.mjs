export const measureSubmissions = async () => ({});
